//! `docs/openapi.yaml` and the router table say the same.

use std::collections::BTreeSet;

use sessionfold::api::ROUTES;

use super::double::Double;
use super::{get, router};

/// Every (method, path) of the description. It is read line by line: paths are indented by two spaces, methods by four.
fn described(yaml: &str) -> BTreeSet<(String, String)> {
    let paths = yaml.split("\npaths:\n").nth(1).expect("a section of paths");
    let (mut found, mut path) = (BTreeSet::new(), String::new());
    for line in paths.lines().take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let name = line.trim_start();
        let Some(name) = name.strip_suffix(':') else { continue };
        match line.len() - line.trim_start().len() {
            2 => path = name.to_owned(),
            4 if name != "parameters" => drop(found.insert((name.to_ascii_uppercase(), path.clone()))),
            _ => {}
        }
    }
    found
}

fn table() -> BTreeSet<(String, String)> {
    let pairs = |route: &'static sessionfold::api::Route| route.allow.split(", ").map(|method| (method.to_owned(), route.path.to_owned()));
    // HEAD is what GET is, and is not described apart.
    ROUTES.iter().flat_map(pairs).filter(|(method, _)| method != "HEAD").collect()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_has_a_route() {
    let answer = get(&router(Double::default()), "/api/openapi.yaml").await;
    assert_eq!(answer.header("content-type"), Some("application/yaml"));
    assert_eq!(described(&answer.text), table());
}

#[tokio::test]
async fn the_description_names_every_parameter_value_and_no_other() {
    let yaml = get(&router(Double::default()), "/api/openapi.yaml").await.text;
    for field in sessionfold::model::query::SortField::ALL {
        assert!(yaml.contains(&format!("- -{}\n", field.as_str())) && yaml.contains(&format!("- {}\n", field.as_str())), "{field:?}");
    }
    for include in sessionfold::params::include::Include::ALL {
        assert!(yaml.contains(&format!("- {}\n", include.as_str())), "{include:?}");
    }
}
