//! Alertmanager's file in `examples/deploy` is valid, and every alert of the rules reaches a receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use integration_tests::deploy::{self, altered, list, run, text};
use integration_tests::{peer, yaml};

use crate::notified::start_alertmanager;

const FILE: &str = "alertmanager/alertmanager.yaml";

/// Returns the receiver of an alert with these labels.
fn receiver(amtool: &Path, labels: &BTreeMap<String, String>) -> String {
    let mut command = Command::new(amtool);
    command.args(["config", "routes", "test"]);
    command.arg(format!("--config.file={}", deploy::path(FILE).display()));
    command.args(labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")));
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn amtool_finds_nothing_wrong_with_what_alertmanager_reads() {
    let Some(amtool) = peer::find("amtool") else {
        return;
    };
    let check =
        |folder: &Path| run(Command::new(&amtool).arg("check-config").arg(folder.join(FILE)));
    let (is_valid, said) = check(&deploy::path(""));
    assert!(is_valid && said.contains("3 receivers"), "{said}");
    for (right, wrong, named) in [
        ("group_wait", "groupwait", "groupwait"),
        ("- name: pager", "- name: page", "pager"),
        ("severity=\"critical\"", "severity is critical", "severity"),
        ("http://", "pager:", "pager"),
    ] {
        let (is_valid, said) = check(altered(FILE, right, wrong).path());
        assert!(!is_valid && said.contains(named), "{wrong}: {said}");
    }
}

#[test]
fn every_alert_reaches_a_receiver_by_its_severity() {
    let Some(amtool) = peer::find("amtool") else {
        return;
    };
    let mut reached = BTreeSet::new();
    for file in deploy::rule_files() {
        for (name, mut labels) in deploy::alerts(&file) {
            let expected = match labels.get("severity").map(String::as_str) {
                Some("critical") => "pager",
                Some("warning") => "tickets",
                Some("none") => "heartbeat",
                other => panic!("{name} has the severity {other:?}"),
            };
            labels.insert("alertname".to_owned(), name.clone());
            assert_eq!(receiver(&amtool, &labels), expected, "{name}");
            reached.insert(expected);
        }
    }
    assert_eq!(reached, ["heartbeat", "pager", "tickets"].into());
    // Nobody would notice an alert without a receiver.
    let labels = BTreeMap::from([("alertname".to_owned(), "Another".to_owned())]);
    assert_eq!(receiver(&amtool, &labels), "tickets");
}

#[test]
fn alertmanager_knows_alerts_by_the_names_that_the_rules_have() {
    let files = deploy::rule_files();
    let alerts = files.iter().flat_map(|file| deploy::alerts(file));
    let alerts: BTreeSet<_> = alerts.map(|(name, _)| name).collect();
    let text = std::fs::read_to_string(deploy::path(FILE)).expect("the file exists");
    let names = text.split("alertname=\"").skip(1).filter_map(|it| it.split('"').next());
    let mut count = 0;
    for name in names {
        assert!(alerts.contains(name), "no rule has the alert {name}");
        count += 1;
    }
    assert_eq!(count, 4);
}

/// The runbook of `meterkit-dashboard` covers the alerts of the generated rules.
#[test]
fn the_page_says_what_to_do_about_every_alert_on_the_platform() {
    let page = std::fs::read_to_string(deploy::path("README.md")).expect("the page exists");
    let platform = deploy::path("prometheus/platform-rules");
    let files = deploy::rule_files().into_iter().filter(|file| file.starts_with(&platform));
    let alerts: Vec<_> = files.flat_map(|file| deploy::alerts(&file)).collect();
    assert_eq!(alerts.len(), 8);
    for (name, _) in alerts {
        assert!(page.contains(&format!("\n| `{name}` | ")), "no row for {name}");
    }
}

#[test]
fn receivers_are_plainly_placeholders() {
    let settings = &yaml::read(&deploy::path(FILE))[0];
    let receivers: Vec<_> = list(&settings["receivers"]).collect();
    assert_eq!(receivers.len(), 3);
    for receiver in receivers {
        let hooks: Vec<_> = list(&receiver["webhook_configs"]).collect();
        assert!(!hooks.is_empty(), "{receiver}");
        for hook in hooks {
            let url = text(&hook["url"]);
            assert!(url.starts_with("http://replace-this.invalid/"), "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_down_is_paged_about_once_without_warnings_of_the_same_instance() {
    let (Some(executable), Some(amtool)) =
        (peer::find("prometheus-alertmanager"), peer::find("amtool"))
    else {
        return;
    };
    let (alertmanager, notified) = start_alertmanager(&executable).await;
    let url = format!("--alertmanager.url=http://{}", alertmanager.address());
    let fire = |labels: &[&str]| {
        let (is_sent, said) =
            run(Command::new(&amtool).arg(&url).args(["alert", "add"]).args(labels));
        assert!(is_sent, "{said}");
    };
    let job = "job=catalog-service";
    fire(&["alertname=MeterkitTargetDown", "severity=critical", job, "instance=a"]);
    notified.arrived("pager", "a").await;
    fire(&["alertname=MeterkitCallbackFailing", "severity=warning", job, "instance=a"]);
    fire(&["alertname=MeterkitCallbackFailing", "severity=warning", job, "instance=b"]);
    notified.arrived("tickets", "b").await;
    let notified = notified.all();
    let to = |receiver: &str| notified.iter().filter(|(to, _)| to == receiver).count();
    assert_eq!((to("pager"), to("tickets")), (1, 1), "{notified:?}");
}
