use serde_json::json;
use tempfile::TempDir;

use super::session::Session;
use super::*;
use crate::store::Store;

const NOW: u32 = 1_800_000_000;
const LIFETIME: Lifetime = Lifetime {
    whole: 43_200,
    idle: 3_600,
};
const BY: By<'_> = By {
    actor: "root",
    at: NOW,
};

fn store() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    (dir, store)
}

fn add(store: &Store, name: &str, role: Role) -> i64 {
    accounts::add(store, name, role, "hash", BY).unwrap();
    find(store, name).unwrap().unwrap().0
}

#[test]
fn users_are_added_changed_and_removed_and_the_audit_log_says_by_whom() {
    let (_dir, store) = store();
    assert!(!any(&store).unwrap());
    add(&store, "ana", Role::Viewer);
    assert!(any(&store).unwrap());
    let error = accounts::add(&store, "ANA", Role::Viewer, "hash", BY).unwrap_err();
    assert!(error.to_string().starts_with("there is a user ANA"), "{error}");
    accounts::set_role(&store, "ana", Role::Approver, BY).unwrap();
    accounts::set_password(&store, "ana", "other", BY).unwrap();
    assert_eq!(find(&store, "Ana").unwrap().unwrap().1, "other");
    assert_eq!(all(&store).unwrap()[0].role, Role::Approver);
    accounts::remove(&store, "ana", true, BY).unwrap();
    let error = accounts::remove(&store, "ana", true, BY).unwrap_err();
    assert!(error.to_string().starts_with("there is no user ana"), "{error}");
    let mut lines = store
        .connection()
        .prepare("SELECT actor, action, subject, detail FROM audit ORDER BY id")
        .unwrap();
    let lines: Vec<[String; 4]> = lines
        .query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let expected = |action: &str, detail| ["root", action, "user:ana", detail].map(str::to_owned);
    assert_eq!(
        lines,
        [
            expected("user.add", r#"{"role":"viewer"}"#),
            expected("user.role", r#"{"role":"approver"}"#),
            expected("user.password", "{}"),
            expected("user.remove", "{}"),
        ]
    );
    assert!(!json!(lines).to_string().contains("other"), "no hash is told");
}

#[test]
fn the_last_user_is_removed_only_when_that_is_meant() {
    let (_dir, store) = store();
    let refusal = |name: &str| {
        let error = accounts::remove(&store, name, false, BY).unwrap_err();
        error.to_string()
    };
    add(&store, "ana", Role::Viewer);
    add(&store, "ben", Role::Viewer);
    accounts::remove(&store, "ben", false, BY).unwrap();
    assert!(refusal("Ana").contains("is the last user"));
    assert!(refusal("ben").starts_with("there is no user ben"));
    assert!(any(&store).unwrap());
    accounts::remove(&store, "ana", true, BY).unwrap();
    assert!(!any(&store).unwrap());
    assert!(refusal("ana").starts_with("there is no user ana"));
}

#[test]
fn names_are_plain() {
    #[track_caller]
    fn check(name: &str, expected: bool) {
        assert_eq!(is_name(name), expected, "{name:?}");
    }
    check("ana", true);
    check("Ana.Lima@example.org", true);
    check("", false);
    check("ana lima", false);
    check("<b>", false);
    check("アナ", false);
    check(&"x".repeat(64), true);
    check(&"x".repeat(65), false);
}

#[test]
fn a_session_ends_by_idleness_by_age_and_by_a_clock_that_goes_back() {
    let (_dir, store) = store();
    let ana = add(&store, "ana", Role::Operator);
    let token = begin(&store, ana, LIFETIME, NOW).unwrap();
    let at = |now: u32| find_session(&store, &token, LIFETIME, now).unwrap();
    let session = Session {
        name: "ana".to_owned(),
        role: Role::Operator,
    };
    assert_eq!(at(NOW), Some(session.clone()));
    assert_eq!(at(NOW - 1), None);
    let mut now = NOW;
    while now + 3_000 < NOW + LIFETIME.whole {
        now += 3_000;
        assert_eq!(at(now), Some(session.clone()), "{}", now - NOW);
    }
    assert_eq!(at(NOW + LIFETIME.whole), None);
    let idle = begin(&store, ana, LIFETIME, NOW).unwrap();
    assert!(
        find_session(&store, &idle, LIFETIME, NOW + 3_599)
            .unwrap()
            .is_some()
    );
    assert!(
        find_session(&store, &idle, LIFETIME, NOW + 3_599 + 3_600)
            .unwrap()
            .is_none()
    );
}

#[test]
fn only_the_digest_of_a_token_is_kept() {
    let (_dir, store) = store();
    let ana = add(&store, "ana", Role::Viewer);
    let token = begin(&store, ana, LIFETIME, NOW).unwrap();
    let id: Vec<u8> = store
        .connection()
        .query_row("SELECT id FROM session", [], |row| row.get(0))
        .unwrap();
    let kept: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_ne!(kept, token.text());
    assert!(
        Token::parse(&kept).is_some_and(|kept| find_session(&store, &kept, LIFETIME, NOW).unwrap().is_none())
    );
    let again = Token::parse(&token.text()).unwrap();
    assert!(find_session(&store, &again, LIFETIME, NOW).unwrap().is_some());
    end(&store, &token).unwrap();
    assert!(find_session(&store, &token, LIFETIME, NOW).unwrap().is_none());
}

#[test]
fn the_seventeenth_session_ends_the_idlest() {
    let (_dir, store) = store();
    let ana = add(&store, "ana", Role::Viewer);
    let tokens: Vec<Token> = (0..17)
        .map(|number| begin(&store, ana, LIFETIME, NOW + number).unwrap())
        .collect();
    let is = |token: &Token| find_session(&store, token, LIFETIME, NOW + 20).unwrap().is_some();
    assert!(!is(&tokens[0]));
    assert!(tokens[1..].iter().all(is));
    accounts::set_password(&store, "ana", "other", BY).unwrap();
    assert!(!tokens.iter().any(is), "another password ends all");
}

#[test]
fn what_is_no_token_is_none() {
    for text in ["", "ab", &"g".repeat(64), &"é".repeat(32), &"a".repeat(65)] {
        assert!(Token::parse(text).is_none(), "{text}");
    }
    let token = Token::random();
    assert_ne!(token.form_token(), Token::random().form_token());
    assert_ne!(token.form_token(), token.text());
}
