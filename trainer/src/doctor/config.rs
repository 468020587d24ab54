//! nginx's configuration as a tree of directives, from what `nginx -T` prints or from the files themselves.
//!
//! `nginx -T` prints each file once, after a line that names it, and leaves `include` as it stands: the tree
//! is put together here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::words::{Token, tokens};

/// Most directives of a configuration; what comes after them is not looked at.
const MAX_DIRECTIVES: usize = 200_000;
/// Deepest nesting of blocks and includes together.
const MAX_DEPTH: usize = 64;
/// Most files, and most bytes of one, that are read from disk.
const MAX_FILES: usize = 1_000;
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Begins the line before a file in the output of `nginx -T`.
const FILE_MARK: &str = "# configuration file ";

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: String,
    /// What stands after the name.
    pub arguments: Vec<String>,
    /// `FILE:LINE`.
    pub place: String,
    /// The block that it stands in, as an index; `None` at the top.
    pub block: Option<usize>,
}

impl Directive {
    /// Value of an argument such as `zone=`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name))
    }

    /// The first argument, or nothing.
    pub fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// In the order that nginx reads them; a block stands before what is in it.
    pub directives: Vec<Directive>,
}

impl Config {
    /// All directives of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Directive> {
        self.directives
            .iter()
            .filter(move |directive| directive.name == name)
    }

    /// Whether any directive has this name.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// What stands in the same block as a directive.
    pub fn beside<'a>(&'a self, directive: &'a Directive) -> impl Iterator<Item = &'a Directive> {
        self.directives
            .iter()
            .filter(|other| other.block == directive.block)
    }

    /// The blocks around a directive, from the inside out.
    pub fn around<'a>(&'a self, directive: &'a Directive) -> impl Iterator<Item = &'a Directive> {
        let block = |index: usize| self.directives.get(index);
        std::iter::successors(directive.block.and_then(block), move |outer| {
            outer.block.and_then(block)
        })
    }

    /// Reads what `nginx -T` printed.
    pub fn from_dump(text: &str) -> Config {
        let mut files: Files = BTreeMap::new();
        let mut main = None;
        let mut current: Option<PathBuf> = None;
        for line in text.split_inclusive('\n') {
            let named = line.trim_end().strip_prefix(FILE_MARK);
            if let Some(name) = named.and_then(|rest| rest.strip_suffix(':')) {
                let path = PathBuf::from(name);
                main.get_or_insert_with(|| path.clone());
                files.insert(path.clone(), String::new());
                current = Some(path);
            } else if let Some(content) = current.as_ref().and_then(|path| files.get_mut(path)) {
                content.push_str(line);
            }
        }
        main.map(|main| Config::assemble(&main, &files))
            .unwrap_or_default()
    }

    /// Reads a configuration file and what it includes, for when nginx refuses to print it.
    ///
    /// # Errors
    /// When the file itself cannot be read; what it includes may be missing.
    pub fn from_files(main: &Path) -> io::Result<Config> {
        let mut files: Files = BTreeMap::new();
        files.insert(main.to_owned(), content(main)?);
        let mut waiting = vec![main.to_owned()];
        while let Some(path) = waiting.pop() {
            let text = files.get(&path).cloned().unwrap_or_default();
            for pattern in includes(&text) {
                for found in listed(&absolute(main, &pattern)) {
                    if files.len() < MAX_FILES
                        && !files.contains_key(&found)
                        && let Ok(text) = content(&found)
                    {
                        files.insert(found.clone(), text);
                        waiting.push(found);
                    }
                }
            }
        }
        Ok(Config::assemble(main, &files))
    }

    fn assemble(main: &Path, files: &Files) -> Config {
        let mut assembly = Assembly {
            main,
            files,
            config: Config::default(),
        };
        assembly.file(main, None, 0);
        assembly.config
    }
}

type Files = BTreeMap<PathBuf, String>;

/// A configuration being put together.
struct Assembly<'a> {
    main: &'a Path,
    files: &'a Files,
    config: Config,
}

impl Assembly<'_> {
    fn file(&mut self, path: &Path, block: Option<usize>, depth: usize) {
        let Some(text) = self.files.get(path).filter(|_| depth < MAX_DEPTH) else {
            return;
        };
        let mut open = vec![block];
        let mut words: Vec<String> = Vec::new();
        let mut begun = 0;
        for (token, line) in tokens(text) {
            if self.config.directives.len() >= MAX_DIRECTIVES {
                return;
            }
            let within = open.last().copied().flatten();
            match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        begun = line;
                    }
                    words.push(word);
                }
                Token::End => {
                    let index = self.push(&mut words, path, begun, within);
                    self.include(index, within, depth);
                }
                Token::Open if open.len() + depth < MAX_DEPTH => {
                    let index = self.push(&mut words, path, begun, within);
                    open.push(index.or(within));
                }
                Token::Open => return,
                Token::Close => {
                    words.clear();
                    if open.len() > 1 {
                        open.pop();
                    }
                }
            }
        }
    }

    fn push(
        &mut self,
        words: &mut Vec<String>,
        path: &Path,
        line: usize,
        block: Option<usize>,
    ) -> Option<usize> {
        if words.is_empty() || self.config.directives.len() >= MAX_DIRECTIVES {
            words.clear();
            return None;
        }
        let mut arguments = std::mem::take(words);
        let name = arguments.remove(0);
        self.config.directives.push(Directive {
            name,
            arguments,
            place: format!("{}:{line}", path.display()),
            block,
        });
        Some(self.config.directives.len() - 1)
    }

    fn include(&mut self, index: Option<usize>, block: Option<usize>, depth: usize) {
        let directive = index.and_then(|index| self.config.directives.get(index));
        let Some(pattern) = directive.filter(|directive| directive.name == "include") else {
            return;
        };
        let pattern = absolute(self.main, pattern.first());
        let files = self.files;
        for path in files.keys().filter(|path| matches(&pattern, path)) {
            self.file(path, block, depth + 1);
        }
    }
}

/// Relative to the directory of the main file, as nginx reads it.
fn absolute(main: &Path, pattern: &str) -> PathBuf {
    main.parent().unwrap_or(Path::new("/")).join(pattern)
}

fn includes(text: &str) -> Vec<String> {
    let all: Vec<(Token, usize)> = tokens(text).collect();
    let pairs = all.windows(2).filter_map(|pair| match (&pair[0].0, &pair[1].0) {
        (Token::Word(name), Token::Word(pattern)) if name == "include" => Some(pattern.clone()),
        _ => None,
    });
    pairs.collect()
}

fn content(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files that a pattern names; only its last part may have wildcards here.
fn listed(pattern: &Path) -> Vec<PathBuf> {
    let folder = pattern.parent().unwrap_or(Path::new("/"));
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| matches(pattern, path))
        .take(MAX_FILES)
        .collect();
    found.sort();
    found
}

fn matches(pattern: &Path, path: &Path) -> bool {
    let (pattern, path) = (pattern.to_string_lossy(), path.to_string_lossy());
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(&given)
            .all(|(wanted, given)| glob(wanted.as_bytes(), given.as_bytes()))
}

/// `*` and `?` within one part of a path, in linear space and at most quadratic time.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((place, tried)) => {
                    star = Some((place, tried + 1));
                    at = place + 1;
                    from = tried + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each directive as `place block: name arguments`.
    fn lines(config: &Config) -> Vec<String> {
        let block = |directive: &Directive| {
            let around: Vec<&str> = config
                .around(directive)
                .map(|block| block.name.as_str())
                .collect();
            around.join("<")
        };
        let directives = config.directives.iter();
        directives
            .map(|directive| {
                let words = directive.arguments.join("|");
                format!(
                    "{} {}: {} {words}",
                    directive.place,
                    block(directive),
                    directive.name
                )
            })
            .collect()
    }

    #[test]
    fn a_dump_becomes_a_tree() {
        let dump = "\
# configuration file /etc/nginx/nginx.conf:
user www-data; # who
include /etc/nginx/modules-enabled/*.conf;
http {
    include conf.d/*.conf;
    server { listen 80; location ~ ^/\\d{1,3}$ { sekisho zone=a; } }
}

# configuration file /etc/nginx/modules-enabled/50-a.conf:
load_module modules/a.so;
# configuration file /etc/nginx/conf.d/a.conf:
sekisho_zone $binary_remote_addr
    \"zone=a:10m\";
";
        let expected = [
            "/etc/nginx/nginx.conf:1 : user www-data",
            "/etc/nginx/nginx.conf:2 : include /etc/nginx/modules-enabled/*.conf",
            "/etc/nginx/modules-enabled/50-a.conf:1 : load_module modules/a.so",
            "/etc/nginx/nginx.conf:3 : http ",
            "/etc/nginx/nginx.conf:4 http: include conf.d/*.conf",
            "/etc/nginx/conf.d/a.conf:1 http: sekisho_zone $binary_remote_addr|zone=a:10m",
            "/etc/nginx/nginx.conf:5 http: server ",
            "/etc/nginx/nginx.conf:5 server<http: listen 80",
            "/etc/nginx/nginx.conf:5 server<http: location ~|^/\\d{1,3}$",
            "/etc/nginx/nginx.conf:5 location<server<http: sekisho zone=a",
        ];
        assert_eq!(lines(&Config::from_dump(dump)), expected);
    }

    #[test]
    fn files_that_include_themselves_end() {
        let dump = "# configuration file /a.conf:\ninclude /a.conf;\ninclude /*.conf;\n";
        assert!(Config::from_dump(dump).directives.len() <= MAX_DIRECTIVES);
        let deep = format!("# configuration file /a.conf:\n{}", "a {".repeat(10_000));
        assert!(Config::from_dump(&deep).directives.len() <= MAX_DEPTH);
    }

    #[test]
    fn files_are_read_when_there_is_no_dump() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        let main = dir.path().join("nginx.conf");
        fs::write(&main, "http { include conf.d/*.conf; include none.conf; }").unwrap();
        fs::write(dir.path().join("conf.d/a.conf"), "sekisho zone=a;").unwrap();
        fs::write(dir.path().join("conf.d/a.bak"), "sekisho zone=b;").unwrap();
        let config = Config::from_files(&main).unwrap();
        let zones: Vec<_> = config
            .all("sekisho")
            .filter_map(|line| line.value("zone="))
            .collect();
        assert_eq!(zones, ["a"]);
        assert!(Config::from_files(&dir.path().join("none")).is_err());
    }

    #[test]
    fn wildcards() {
        #[track_caller]
        fn check(pattern: &str, path: &str, expected: bool) {
            assert_eq!(
                matches(Path::new(pattern), Path::new(path)),
                expected,
                "{pattern} {path}"
            );
        }
        check("/a/*.conf", "/a/b.conf", true);
        check("/a/*.conf", "/a/b/c.conf", false);
        check("/a/*.conf", "/a/b.con", false);
        check("/a/*/c*d", "/a/b/ccdd", true);
        check("/a/?.conf", "/a/b.conf", true);
        check("/a/?.conf", "/a/bb.conf", false);
        check("/a", "/a", true);
        check("/**a", "/bba", true);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(# configuration file /a:\n)?[a-z{};#'\"\\\\$ \n*/]{0,200}") {
            let config = Config::from_dump(&text);
            for directive in &config.directives {
                prop_assert!(config.around(directive).count() <= MAX_DEPTH);
            }
        }

        #[test]
        fn globs_match_what_they_were_made_of(text in "[a-c]{0,12}", cut in 0_usize..12, end in 0_usize..12) {
            let (cut, end) = (cut.min(text.len()), end.min(text.len()));
            let pattern = format!("{}*{}", &text[..cut.min(end)], &text[cut.max(end)..]);
            prop_assert!(glob(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
