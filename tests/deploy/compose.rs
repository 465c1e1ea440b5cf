//! `docker-compose.yml`: safe by default, pinned, and made of settings that exist.

use std::time::Duration;

use serde_json::{Map, Value};
use sessionfold::config;

use super::{files, root, strings, yaml};

fn services() -> Map<String, Value> {
    yaml("docker-compose.yml")["services"].as_object().unwrap().clone()
}

fn environment(service: &Value) -> Vec<(String, String)> {
    let pairs = service["environment"].as_object().into_iter().flatten();
    // Numbers and booleans would be read by YAML and not by us: everything is a string.
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_else(|| panic!("{name} is not quoted")).to_owned())).collect()
}

fn set(service: &str, name: &str) -> String {
    let found = environment(&services()[service]).into_iter().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("{service} does not set {name}")).1
}

#[test]
fn every_published_port_is_on_loopback_only() {
    for (name, service) in services() {
        for port in strings(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} beyond this machine");
        }
    }
}

#[test]
fn tempo_takes_spans_from_nobody_but_sessionfold() {
    let ports = services()["tempo"]["ports"].clone();
    assert_eq!(strings(&ports), ["127.0.0.1:3200:3200"], "only the query API is published");
}

#[test]
fn images_are_pinned_to_a_version() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.split_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        let is_version = tag.split('.').count() == 3 && tag.split('.').all(|part| part.parse::<u32>().is_ok());
        assert!(is_version || !service["build"].is_null(), "{name}: {image} is not pinned to a patch version");
    }
    assert!(services()["tempo"]["image"].as_str().unwrap().starts_with("grafana/tempo:3.0."), "config/tempo.yaml is for Tempo 3.0");
}

#[test]
fn every_setting_of_the_server_exists_and_is_sound() {
    let environment = environment(&services()["sessionfold"]);
    assert_eq!(config::unknown_environment(&environment), []);
    let config = config::load(None, &environment).unwrap();
    assert!(config.server.drain_timeout.0 > Duration::ZERO);
}

#[test]
fn a_stop_has_time_to_drain_and_tempo_time_to_flush() {
    let services = services();
    let environment = environment(&services["sessionfold"]);
    let drain = config::load(None, &environment).unwrap().server.drain_timeout.0;
    assert!(grace(&services["sessionfold"]) > drain + Duration::from_secs(5), "docker would kill a server that still drains");
    assert!(grace(&services["tempo"]) >= Duration::from_secs(40));
}

fn grace(service: &Value) -> Duration {
    humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap()
}

#[test]
fn the_server_starts_without_tempo_and_cannot_change_its_image() {
    let server = &services()["sessionfold"];
    assert!(server["depends_on"].is_null(), "it accepts spans while Tempo is away");
    assert_eq!(server["read_only"], true);
    assert_eq!(strings(&server["cap_drop"]), ["ALL"]);
}

#[test]
fn everything_that_is_mounted_or_built_from_is_there() {
    let file = yaml("docker-compose.yml");
    for (name, service) in services() {
        for volume in strings(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let is_there = if source.starts_with('.') {
                root().join(source).exists()
            } else {
                !file["volumes"][source].is_null() || file["volumes"].as_object().unwrap().contains_key(source)
            };
            assert!(is_there, "{name} mounts {source}");
        }
        if let Some(dockerfile) = service["build"]["dockerfile"].as_str() {
            assert!(root().join(dockerfile).exists(), "{name} is built from {dockerfile}");
        }
    }
}

#[test]
fn the_services_find_each_other_where_they_listen() {
    let tempo = yaml("config/tempo.yaml");
    let receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].as_str().unwrap();
    assert_eq!(set("sessionfold", "SESSIONFOLD_TEMPO"), format!("http://tempo:{}", receiver.rsplit(':').next().unwrap()));
    let query = format!("http://tempo:{}", tempo["server"]["http_listen_port"]);
    assert_eq!(set("sessionfold", "SESSIONFOLD_TEMPO_QUERY"), query);
    let grafana = yaml("config/grafana/provisioning/datasources/tempo.yaml");
    assert_eq!(grafana["datasources"][0]["url"], query);
}

#[test]
fn grafana_has_tempo_as_its_data_source_under_a_fixed_uid() {
    let provisioning = yaml("config/grafana/provisioning/datasources/tempo.yaml");
    assert_eq!(provisioning["apiVersion"], 1);
    let source = &provisioning["datasources"][0];
    assert_eq!((&source["type"], &source["uid"], &source["access"]), (&"tempo".into(), &"tempo".into(), &"proxy".into()));
    let mounted = services()["grafana"]["volumes"].clone();
    assert!(strings(&mounted).contains(&"./config/grafana/provisioning:/etc/grafana/provisioning:ro"));
    let streaming = &source["jsonData"]["streamingEnabled"];
    assert_eq!(streaming["metrics"], false, "a stream of sums is cut at 4 MiB");
    let streams = streaming["search"] == true;
    assert_eq!(yaml("config/tempo.yaml")["stream_over_http_enabled"], streams, "streaming search needs both sides");
}

/// Grafana 13.2 has none of them in itself. A provisioned data source without its plugin is listed, and answers nothing.
#[test]
fn grafana_installs_the_plugin_of_every_data_source_before_it_answers() {
    let installed = set("grafana", "GF_PLUGINS_PREINSTALL_SYNC");
    let installed: Vec<&str> = installed.split(',').map(|plugin| plugin.split('@').next().unwrap()).collect();
    for file in files("config/grafana/provisioning/datasources", "yaml") {
        for source in yaml(file.to_str().unwrap())["datasources"].as_array().unwrap() {
            assert!(installed.contains(&source["type"].as_str().unwrap()), "{}: {installed:?}", file.display());
        }
    }
    assert_eq!(set("grafana", "GF_PLUGINS_PREINSTALL_AUTO_UPDATE"), "false", "later starts ask nobody");
}

/// Rows of the dashboard's table and links of the API and the pages lead to the Grafana that is started here.
#[test]
fn links_lead_to_the_grafana_that_is_started_beside_it() {
    let ports = services()["grafana"]["ports"].clone();
    let published = strings(&ports)[0].rsplit_once(':').unwrap().0.to_owned();
    assert_eq!(set("sessionfold", "SESSIONFOLD_UI_GRAFANA_URL"), format!("http://{published}"));
    let source = &yaml("config/grafana/provisioning/datasources/tempo.yaml")["datasources"][0];
    assert_eq!(source["uid"], set("sessionfold", "SESSIONFOLD_UI_GRAFANA_DATASOURCE_UID"));
}
