//! Which file is it? A name says little: rotation renames files, copies them, and truncates them.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::store::{FileId, Names, Position};

/// Bytes at the beginning of a file by which it is known again, its copies too: more than the longest usual sample,
/// whose reference id no other file has.
pub const HEAD: u64 = 1024;

/// What is to be done with a file that was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It is this one: go on where it was left.
    Known(Position),
    /// It is a copy of one that was read up to there: go on from there.
    Copy(Position),
    /// It is a copy of one of which more was read than it holds.
    Stale,
    /// Nothing of it was read.
    New,
}

/// What a file is, given the positions of its source, newest first, its length, and the digest of its first bytes.
pub fn recognise(
    known: &[Position],
    id: FileId,
    length: u64,
    mut head: impl FnMut(u64) -> io::Result<Vec<u8>>,
) -> io::Result<Recognised> {
    // Only the newest row of an inode may be the file as it is now; older ones are what it was before a truncation.
    if let Some(position) = known.iter().find(|position| position.id == id)
        && length >= position.offset
        && head(position.head_length)? == position.head
    {
        return Ok(Recognised::Known(position.clone()));
    }
    let mut copy: Option<&Position> = None;
    for position in known {
        let better = copy.is_none_or(|copy| position.offset > copy.offset);
        let comparable = position.head_length > 0 && length >= position.head_length;
        if better && comparable && head(position.head_length)? == position.head {
            copy = Some(position);
        }
    }
    Ok(match copy {
        Some(copy) if length > copy.offset => Recognised::Copy(Position {
            row: None,
            id,
            ..copy.clone()
        }),
        Some(_) => Recognised::Stale,
        None => Recognised::New,
    })
}

/// Device and inode of an open file, and its length.
pub fn id_of(file: &File) -> io::Result<(FileId, u64)> {
    let metadata = file.metadata()?;
    let id = FileId {
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    Ok((id, metadata.len()))
}

/// Digest of the first `length` bytes; an error when there are fewer.
pub fn head_of(file: &File, length: u64, names: &Names) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length.min(HEAD)).unwrap_or_default();
    if length == 0 {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(names.digest(&bytes).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(row: i64, inode: u64, head: &[u8], offset: u64) -> Position {
        Position {
            row: Some(row),
            path: "s".into(),
            id: FileId { device: 1, inode },
            head: head.to_vec(),
            head_length: head.len() as u64,
            offset,
            skipping: false,
        }
    }

    #[test]
    fn files_are_known_by_inode_and_head() {
        #[track_caller]
        fn check(known: &[Position], inode: u64, content: &[u8], expected: &str) {
            let id = FileId { device: 1, inode };
            let head = |length: u64| Ok(content[..length as usize].to_vec());
            let found = match recognise(known, id, content.len() as u64, head).unwrap() {
                Recognised::Known(position) => format!("known at {}", position.offset),
                Recognised::Copy(position) => {
                    assert_eq!((position.row, position.id), (None, id));
                    format!("copy at {}", position.offset)
                }
                Recognised::Stale => "stale".into(),
                Recognised::New => "new".into(),
            };
            assert_eq!(found, expected);
        }
        let one = position(1, 7, b"abc", 5);
        check(std::slice::from_ref(&one), 7, b"abcdefgh", "known at 5");
        check(std::slice::from_ref(&one), 7, b"abcde", "known at 5");
        // Truncated, and written anew: shorter, and as long.
        check(std::slice::from_ref(&one), 7, b"x", "new");
        check(std::slice::from_ref(&one), 7, b"xyzxyzxyz", "new");
        // The copy that copytruncate left; another file with the inode of one that was deleted.
        check(std::slice::from_ref(&one), 8, b"abcdefgh", "copy at 5");
        check(std::slice::from_ref(&one), 8, b"abcde", "stale");
        check(std::slice::from_ref(&one), 8, b"ab", "new");
        check(&[], 7, b"abc", "new");
        // Truncated and noticed: the newer row is the file, the older one knows the copy.
        let known = [position(2, 7, b"new", 4), position(1, 7, b"abc", 5)];
        check(&known, 7, b"newer", "known at 4");
        check(&known, 8, b"abcdefgh", "copy at 5");
        // Two rows know the head: the one that got further counts.
        let known = [position(2, 8, b"abc", 3), position(1, 7, b"abc", 6)];
        check(&known, 9, b"abcdefgh", "copy at 6");
    }

    #[test]
    fn nothing_read_yet_is_known_by_its_inode() {
        let position = position(1, 7, b"", 0);
        let id = FileId { device: 1, inode: 7 };
        let found = recognise(&[position], id, 0, |_| Ok(Vec::new())).unwrap();
        assert!(matches!(found, Recognised::Known(_)));
    }
}
