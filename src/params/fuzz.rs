//! The body of a fuzz target: what must hold for any query string.

use super::pairs::Pairs;
use super::runs::RunsParams;
use super::sessions::ListParams;
use super::users::UsersParams;
use super::{instant, path};

/// Any query string: read or refused, and a link to another page asks for the same but for the page.
pub fn check_query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(list) = ListParams::parse(Some(&text)) {
        let link = checked_link(&list.pairs);
        let again = ListParams::parse(Some(&link)).expect("a link of ours is understood");
        let page = (again.query.offset, again.query.limit);
        assert_eq!(page, (7, 9));
        let mut query = list.query.clone();
        (query.offset, query.limit) = page;
        assert_eq!((again.query, again.include), (query, list.include));
    }
    if let Ok(runs) = RunsParams::parse(Some(&text)) {
        let again = RunsParams::parse(Some(&checked_link(&runs.pairs))).expect("a link of ours is understood");
        assert_eq!((again.page.offset, again.page.limit, again.include), (7, Some(9), runs.include));
    }
    if let Ok(users) = UsersParams::parse(Some(&text)) {
        let again = UsersParams::parse(Some(&checked_link(&users.pairs))).expect("a link of ours is understood");
        assert_eq!((again.search, again.agent, again.start, again.end), (users.search, users.agent, users.start, users.end));
        assert_eq!((again.sort, again.descending, again.offset, again.limit), (users.sort, users.descending, 7, 9));
    }
    let _ = (instant::parse(&text), path::session_id(&text));
}

/// A link without its question mark. Nothing in it can end the header or the attribute that it stands in.
fn checked_link(pairs: &Pairs) -> String {
    let link = pairs.link(7, 9);
    assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\'')));
    link[1..].to_owned()
}
