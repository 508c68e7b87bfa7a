//! Google Cloud: Cloud Run, GKE and Compute Engine.

use super::super::Attribute;
use super::super::surroundings::Surroundings;
use super::{Found, IN_A_POD, PRODUCT_FILE, Question, is};

const PRODUCT: &str = "Google Compute Engine";

pub(super) fn detect(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    cloud_run(around).or_else(|| machine(around))
}

fn cloud_run(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    // Knative also sets `K_SERVICE` outside of Cloud Run, but without `CLOUD_RUN_TIMEOUT_SECONDS`.
    let service = around.variable("K_SERVICE").filter(|_| {
        around.variable("CLOUD_RUN_TIMEOUT_SECONDS").is_some() || is(around, PRODUCT_FILE, PRODUCT)
    });
    let job = around.variable("CLOUD_RUN_JOB");
    let is_job = service.is_none();
    let name = service.or_else(|| job.clone())?;
    let found = Found::on("gcp", "gcp_cloud_run")
        .and("cloud.account.id", metadata(around, "project/project-id"))
        .and("cloud.region", last(metadata(around, "instance/region")))
        .and("faas.name", Some(name))
        .and("faas.version", around.variable("K_REVISION"))
        .and("faas.instance", metadata(around, "instance/id"));
    if !is_job {
        return Some(found.0);
    }
    let found = found.and("gcp.cloud_run.job.execution", around.variable("CLOUD_RUN_EXECUTION"));
    let index = around.variable("CLOUD_RUN_TASK_INDEX").and_then(|text| text.parse::<i64>().ok());
    let index = index.map(|index| super::attribute("gcp.cloud_run.job.task_index", index));
    Some(found.0.into_iter().chain(index).collect())
}

fn machine(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    if !is(around, PRODUCT_FILE, PRODUCT) {
        return None;
    }
    let zone = last(metadata(around, "instance/zone"));
    let region = zone.as_ref().and_then(|zone| Some(zone.rsplit_once('-')?.0.to_owned()));
    let cluster = around.variable(IN_A_POD).and_then(|_| {
        let name = metadata(around, "instance/attributes/cluster-name")?;
        Some((name, metadata(around, "instance/attributes/cluster-location")?))
    });
    let platform = if cluster.is_some() { "gcp_kubernetes_engine" } else { "gcp_compute_engine" };
    let found =
        Found::on("gcp", platform).and("cloud.account.id", metadata(around, "project/project-id"));
    let found = match cluster {
        // A location with two dashes is a zone, which means that the cluster is zonal.
        Some((name, location)) => {
            let is_zone = location.matches('-').count() == 2;
            let place = if is_zone { "cloud.availability_zone" } else { "cloud.region" };
            found.and("k8s.cluster.name", Some(name)).and(place, Some(location))
        }
        None => found
            .and("cloud.availability_zone", zone)
            .and("cloud.region", region)
            .and("host.type", last(metadata(around, "instance/machine-type")))
            .and("gcp.gce.instance.name", metadata(around, "instance/name"))
            .and("gcp.gce.instance.hostname", metadata(around, "instance/hostname")),
    };
    Some(found.and("host.id", metadata(around, "instance/id")).0)
}

/// Asks the metadata server.
fn metadata(around: &Surroundings<'_>, path: &str) -> Option<String> {
    let host = around.variable("GCE_METADATA_HOST");
    let host = host.unwrap_or_else(|| "169.254.169.254".to_owned());
    let address = if host.contains(':') { host } else { format!("{host}:80") };
    let question = Question::get(&address, &format!("/computeMetadata/v1/{path}"));
    around.answer(&question.with(("Metadata-Flavor", "Google")))
}

/// Returns the name after `projects/123/zones/`.
fn last(text: Option<String>) -> Option<String> {
    text?.rsplit('/').next().map(str::to_owned)
}
