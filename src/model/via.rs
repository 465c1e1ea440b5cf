//! The instances of sessionfold that spans came through, so that a circle of them is noticed wherever it closes.

use super::Str;

/// Ids of instances, each once. Copies share nothing large: mostly it is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Via(Vec<Str>);

/// More instances than anybody chains, or what is no id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPath;

/// Instances on the way of one span.
const MAX_INSTANCES: usize = 64;
/// Instances named on one request: those of all its spans together, with room for more hops.
const MAX_OF_REQUEST: usize = 32;
const MAX_ID_BYTES: usize = 64;

// === impl Via ===

impl Via {
    /// Reads lists of ids, separated by commas. Fails on what no instance has written.
    pub fn parse<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Self, NoPath> {
        let mut via = Self::default();
        for id in lists.flat_map(|list| list.split(',')).map(str::trim).filter(|id| !id.is_empty()) {
            let is_id = id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if !is_id || via.0.len() >= MAX_INSTANCES && !via.contains(id) {
                return Err(NoPath);
            }
            via.add(id.into());
        }
        Ok(via)
    }

    pub fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|known| &**known == id)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|id| &**id)
    }

    /// The ids as one list, separated by commas.
    pub fn to_list(&self) -> String {
        self.ids().collect::<Vec<_>>().join(",")
    }

    /// Takes in what another has; `false`, and nothing changes, if it would be too much for one request.
    pub fn merge(&mut self, other: &Self) -> bool {
        let n_new = other.ids().filter(|id| !self.contains(id)).count();
        if !self.is_empty() && n_new > 0 && self.0.len() + n_new > MAX_OF_REQUEST {
            return false;
        }
        other.0.iter().for_each(|id| self.add(id.clone()));
        true
    }

    fn add(&mut self, id: Str) {
        if !self.contains(&id) {
            self.0.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_was_written_each_instance_once() {
        let via = Via::parse(["a1, b2", "c3,a1", ""].into_iter()).unwrap();
        assert_eq!(via.to_list(), "a1,b2,c3");
        assert_eq!(Via::parse([&*via.to_list()].into_iter()), Ok(via.clone()));
        assert!(via.contains("b2") && !via.contains("b"));
        assert_eq!(Via::parse(["no id\n"].into_iter()), Err(NoPath));
        let long: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        assert_eq!(Via::parse(long.iter().map(String::as_str)), Err(NoPath));
    }

    #[test]
    fn a_request_names_those_of_all_its_spans_up_to_a_limit() {
        let many =
            |range: std::ops::Range<u32>| Via::parse(range.map(|n| n.to_string()).collect::<Vec<_>>().iter().map(String::as_str)).unwrap();
        let mut via = Via::default();
        assert!(via.merge(&many(0..20)) && via.merge(&many(10..30)));
        assert!(!via.merge(&many(30..40)), "one more request");
        assert_eq!(via.ids().count(), 30);
        assert!(via.merge(&many(5..8)), "nothing new");
        assert!(Via::default().merge(&many(0..60)), "a path of its own is never too long");
    }
}
