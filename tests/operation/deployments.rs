//! Compose and Kubernetes, against the program and against each other: settings, roles, ports, secrets, volumes.

use crate::yaml::{documents, entries, items, word};
use serde_yaml_ng::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use stele_acceptance::{files, root, shown, text};

/// Every setting as its environment variable.
fn variables() -> BTreeSet<String> {
    fn collect(prefix: &str, table: &toml::Table, into: &mut BTreeSet<String>) {
        for (name, value) in table {
            let path = format!("{prefix}__{}", name.to_ascii_uppercase());
            if let toml::Value::Table(inner) = value {
                collect(&path, inner, into);
            } else {
                into.insert(path);
            }
        }
    }
    let defaults: toml::Table =
        text(&root().join("ops/config/default.toml")).parse().expect("the defaults are TOML");
    let mut names = BTreeSet::new();
    collect("STELE", &defaults, &mut names);
    assert!(names.contains("STELE__DESK__DATA_DIR"));
    names
}

fn compose() -> Value {
    documents(&root().join("ops/compose/compose.yaml")).remove(0)
}

/// Services that run the desk's image.
fn desk_services(compose: &Value) -> BTreeMap<&str, &Value> {
    entries(&compose["services"]).filter(|(_, service)| word(&service["image"]) == "stele:local").collect()
}

/// What a container is started with: `serve --roles a,b`.
fn roles(arguments: &Value) -> Vec<&str> {
    let words: Vec<&str> = items(arguments).map(word).collect();
    let at = words.iter().position(|word| *word == "--roles");
    at.and_then(|at| words.get(at + 1)).map(|roles| roles.split(',').collect()).unwrap_or_default()
}

/// The roles that the program knows.
const ROLES: [&str; 8] =
    ["market", "ingest", "inventory", "strategy", "executor", "alerts", "projections", "api"];

/// The processes of a deployment run every role once.
fn run_every_role_once(deployment: &str, all: &[Vec<&str>]) {
    let mut run: Vec<&str> = all.iter().flatten().copied().collect();
    run.sort_unstable();
    let mut known = ROLES.to_vec();
    known.sort_unstable();
    assert_eq!(run, known, "{deployment}");
}

/// Text that names settings: each must be one.
fn names_settings_that_exist(path: &Path) {
    let (text, known) = (text(path), variables());
    for (at, _) in text.match_indices("STELE__") {
        let rest = &text[at..];
        let end = rest
            .find(|letter: char| !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        assert!(known.contains(name), "{} sets {name}, which is no setting", shown(path));
    }
}

#[test]
fn every_setting_that_a_deployment_names_exists() {
    let mut paths = files(&root().join("ops/compose"), &[".yaml", ".md", "make-keys"]);
    paths.extend(files(&root().join("ops/kubernetes"), &[".yaml", ".md"]));
    assert!(paths.len() > 10, "{paths:?}");
    for path in &paths {
        names_settings_that_exist(path);
    }
}

#[test]
fn the_compose_desk_runs_every_role_once() {
    let compose = compose();
    let services = desk_services(&compose);
    let served: Vec<Vec<&str>> = services.values().map(|service| roles(&service["command"])).collect();
    run_every_role_once("compose", &served);
}

#[test]
fn compose_names_only_what_it_defines() {
    let compose = compose();
    let defined =
        |section: &str| -> BTreeSet<&str> { entries(&compose[section]).map(|(name, _)| name).collect() };
    let (volumes, networks, secrets) = (defined("volumes"), defined("networks"), defined("secrets"));
    let (services, mut mounted) = (defined("services"), BTreeSet::new());
    for (name, service) in entries(&compose["services"]) {
        for volume in items(&service["volumes"]).map(word) {
            let source = volume.split(':').next().unwrap_or_default();
            if source.starts_with('.') {
                assert!(
                    root().join("ops/compose").join(source).exists(),
                    "{name} mounts {source}, which is not there"
                );
            } else {
                assert!(volumes.contains(source), "{name} mounts {source}, which nobody defines");
                mounted.insert(source);
            }
        }
        for network in items(&service["networks"]).map(word) {
            assert!(networks.contains(network), "{name} is on {network}");
        }
        for secret in items(&service["secrets"]).map(word) {
            assert!(secrets.contains(secret), "{name} is given {secret}");
        }
        for (other, _) in entries(&service["depends_on"]) {
            assert!(services.contains(other), "{name} waits for {other}");
        }
    }
    assert_eq!(mounted, volumes, "every volume is mounted");
}

#[test]
fn containers_of_the_desk_are_locked_down_and_only_the_executor_has_the_signing_key() {
    let compose = compose();
    for (name, service) in desk_services(&compose) {
        assert_eq!(word(&service["user"]), "10001:10001", "{name}");
        assert_eq!(service["read_only"].as_bool(), Some(true), "{name}");
        assert_eq!(items(&service["cap_drop"]).map(word).collect::<Vec<_>>(), ["ALL"], "{name}");
        assert!(
            items(&service["security_opt"]).any(|option| word(option) == "no-new-privileges:true"),
            "{name}"
        );
        assert_eq!(word(&service["stop_grace_period"]), "30s", "{name}: the desk takes up to 25 s to end");
        let signs = items(&service["secrets"]).any(|secret| word(secret) == "signing_key");
        assert_eq!(signs, name == "executor", "{name}");
        let checked = service.get("healthcheck").is_some();
        let ends = ["keys", "migrate"].contains(&name);
        assert!(checked || ends, "{name} has no health check");
    }
    for (name, service) in entries(&compose["services"]) {
        for port in items(&service["ports"]).map(word) {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} to other machines");
        }
        let image = word(&service["image"]);
        assert!(image.contains(':') && !image.ends_with(":latest"), "{name}: {image} moves");
    }
}

#[test]
fn prometheus_scrapes_every_process_of_the_compose_desk() {
    let compose = compose();
    let prometheus = documents(&root().join("ops/prometheus/prometheus.yml")).remove(0);
    let configs = items(&prometheus["scrape_configs"]).flat_map(|config| items(&config["static_configs"]));
    let mut targets: Vec<String> =
        configs.flat_map(|config| items(&config["targets"])).map(|target| word(target).to_owned()).collect();
    targets.sort();
    let mut expected = Vec::new();
    for (name, service) in desk_services(&compose) {
        let environment = &service["environment"];
        // A desk on paper is not watched.
        if roles(&service["command"]).is_empty() {
            continue;
        }
        let listens = ["STELE__API__LISTEN", "STELE__API__PROBE_LISTEN"].map(|key| word(&environment[key]));
        let port = listens.iter().find_map(|address| address.rsplit_once(':')).expect("a port").1;
        expected.push(format!("{name}:{port}"));
    }
    assert_eq!(targets, expected);
}

/// Every resource of the base.
fn base() -> Vec<Value> {
    let folder = root().join("ops/kubernetes/base");
    let kustomization = documents(&folder.join("kustomization.yaml")).remove(0);
    let listed: BTreeSet<PathBuf> =
        items(&kustomization["resources"]).map(|name| folder.join(word(name))).collect();
    let mut there: BTreeSet<PathBuf> = files(&folder, &[".yaml"]).into_iter().collect();
    there.remove(&folder.join("kustomization.yaml"));
    assert_eq!(listed, there, "the kustomization lists every file and no other");
    listed.iter().flat_map(|path| documents(path)).collect()
}

/// Pods of workloads: name and pod.
fn pods(resources: &[Value]) -> Vec<(&str, &Value)> {
    let workloads = resources.iter().filter(|it| ["Deployment", "StatefulSet"].contains(&word(&it["kind"])));
    workloads.map(|it| (word(&it["metadata"]["name"]), &it["spec"]["template"]["spec"])).collect()
}

#[test]
fn the_kubernetes_desk_runs_every_role_once_in_pods_that_may_do_nothing() {
    let resources = base();
    let pods = pods(&resources);
    let mut served = Vec::new();
    for (name, pod) in &pods {
        assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true), "{name}");
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false), "{name}");
        assert!(
            pod["terminationGracePeriodSeconds"].as_u64() >= Some(30),
            "{name}: the desk takes up to 25 s to end"
        );
        for container in items(&pod["containers"]).chain(items(&pod["initContainers"])) {
            let security = &container["securityContext"];
            assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true), "{name}");
            assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false), "{name}");
            assert_eq!(
                items(&security["capabilities"]["drop"]).map(word).collect::<Vec<_>>(),
                ["ALL"],
                "{name}"
            );
            assert!(
                container["resources"]["limits"]["memory"].is_string(),
                "{name} has no bound on its memory"
            );
        }
        for container in items(&pod["containers"]) {
            served.push(roles(&container["args"]));
            let ports: BTreeSet<&str> = items(&container["ports"]).map(|port| word(&port["name"])).collect();
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let probe = &container[probe];
                let port = word(&probe["httpGet"]["port"]);
                assert!(
                    probe.get("exec").is_some() || ports.contains(port),
                    "{name}: no port {port:?} to probe"
                );
            }
        }
    }
    run_every_role_once("kubernetes", &served);
}

#[test]
fn kubernetes_mounts_what_it_has_and_the_signing_key_only_where_it_is_used() {
    let resources = base();
    let guide = text(&root().join("ops/kubernetes/README.md"));
    for (name, pod) in pods(&resources) {
        let claims = resources.iter().filter(|it| word(&it["metadata"]["name"]) == name);
        let claimed = claims.flat_map(|it| items(&it["spec"]["volumeClaimTemplates"]));
        let mut volumes: BTreeSet<&str> = claimed.map(|claim| word(&claim["metadata"]["name"])).collect();
        volumes.extend(items(&pod["volumes"]).map(|volume| word(&volume["name"])));
        for container in items(&pod["containers"]).chain(items(&pod["initContainers"])) {
            for mount in items(&container["volumeMounts"]) {
                assert!(volumes.contains(word(&mount["name"])), "{name} mounts {mount:?}");
            }
        }
        let sources = items(&pod["volumes"]).flat_map(|volume| items(&volume["projected"]["sources"]));
        for secret in sources.map(|source| &source["secret"]) {
            let called = word(&secret["name"]);
            assert!(
                guide.contains(&format!("create secret generic {called}")),
                "nobody says how {called} is made"
            );
            assert_eq!(
                called == "stele-signing-key",
                called.contains("signing") && name == "executor",
                "{name}"
            );
        }
    }
}

#[test]
fn network_policies_budgets_and_services_select_pods_that_exist() {
    let resources = base();
    let components: BTreeSet<&str> = pods(&resources).into_iter().map(|(name, _)| name).collect();
    let label = "app.kubernetes.io/component";
    for resource in &resources {
        let spec = &resource["spec"];
        let selector = match word(&resource["kind"]) {
            "NetworkPolicy" => &spec["podSelector"],
            "PodDisruptionBudget" => &spec["selector"],
            _ => continue,
        };
        let name = word(&resource["metadata"]["name"]);
        let one = word(&selector["matchLabels"][label]);
        assert!(one.is_empty() || components.contains(one), "{name} selects {one}");
        for several in items(&selector["matchExpressions"]).flat_map(|rule| items(&rule["values"])) {
            assert!(components.contains(word(several)), "{name} selects {several:?}");
        }
    }
    let denies = |it: &&Value| {
        word(&it["kind"]) == "NetworkPolicy"
            && it["spec"]["podSelector"].as_mapping().is_some_and(serde_yaml_ng::Mapping::is_empty)
            && it["spec"].get("ingress").is_none()
            && it["spec"].get("egress").is_none()
    };
    assert_eq!(resources.iter().filter(denies).count(), 1, "nothing is allowed that no policy names");
}

const OWNER: &str = "postgres://stele_owner@postgres/stele";
const APP: &str = "postgres://stele_app@postgres/stele";

#[test]
fn a_deployment_with_a_database_migrates_it_as_its_owner_before_the_desk_starts_as_somebody_less() {
    let compose = compose();
    let services = &compose["services"];
    let url = |service: &str| word(&services[service]["environment"]["STELE__DATABASE__URL"]);
    assert_eq!((url("migrate"), url("log")), (OWNER, APP));
    assert_eq!(items(&services["migrate"]["command"]).map(word).collect::<Vec<_>>(), ["db", "migrate"]);
    for (first, then) in [("postgres", "roles"), ("roles", "migrate"), ("migrate", "log")] {
        let awaited = word(&services[then]["depends_on"][first]["condition"]);
        let expected = if first == "postgres" { "service_healthy" } else { "service_completed_successfully" };
        assert_eq!(awaited, expected, "{then} waits for {first}");
    }
    let roles = text(&root().join("ops/postgres-role.sql"));
    assert!(roles.contains("CREATE ROLE stele_owner") && roles.contains("CREATE ROLE stele_app"));
    let owners: Vec<_> = entries(services)
        .filter(|(_, it)| items(&it["secrets"]).any(|name| word(name) == "postgres_owner_password"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(owners, ["roles", "migrate"], "nobody else has the owner's password");

    let resources = base();
    let pods = pods(&resources);
    let log = pods.iter().find(|(name, _)| *name == "log").expect("the log's pod").1;
    let of = |container: &Value| -> String {
        let named = items(&container["env"]).find(|it| word(&it["name"]) == "STELE__DATABASE__URL");
        named.map(|it| word(&it["value"]).to_owned()).unwrap_or_default()
    };
    let before: Vec<_> = items(&log["initContainers"]).filter(|it| of(it) == OWNER).collect();
    assert_eq!(before.len(), 1);
    assert!(items(&before[0]["args"]).any(|line| word(line).contains("stele db migrate")));
    for desk in items(&log["containers"]) {
        assert_eq!(of(desk), APP);
        let sees_the_owner = items(&desk["volumeMounts"]).any(|mount| word(&mount["name"]).contains("owner"));
        assert!(!sees_the_owner, "the desk can read the password of the tables' owner");
    }
}

#[test]
fn only_those_who_talk_to_the_outside_have_a_way_there() {
    let compose = compose();
    assert_eq!(compose["networks"]["inside"]["internal"].as_bool(), Some(true));
    for (name, service) in entries(&compose["services"]) {
        let on: Vec<_> = items(&service["networks"]).map(word).collect();
        let publishes = items(&service["ports"]).count() > 0;
        assert_eq!(on.contains(&"doors"), publishes, "{name}: {on:?}");
        assert_eq!(on.contains(&"outside"), ["market", "executor"].contains(&name), "{name}: {on:?}");
    }
}

#[test]
fn the_log_stays_in_its_service_when_the_database_is_down() {
    let resources = base();
    for (name, pod) in pods(&resources).into_iter().filter(|(name, _)| *name == "log") {
        for container in items(&pod["containers"]) {
            let asked: Vec<_> = items(&container["readinessProbe"]["exec"]["command"]).map(word).collect();
            assert_eq!(asked, ["stele", "log", "stat"], "{name}: it needs no table");
        }
    }
}
