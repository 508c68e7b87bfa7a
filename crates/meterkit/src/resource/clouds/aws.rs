//! AWS: Lambda, ECS, EKS and EC2.

use super::super::surroundings::Surroundings;
use super::super::{Attribute, attribute};
use super::{Found, IN_A_POD, Question, VENDOR_FILE, field, is};

/// The address of the instance metadata service.
const INSTANCE: &str = "169.254.169.254:80";

pub(super) fn detect(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    lambda(around).or_else(|| ecs(around)).or_else(|| eks(around)).or_else(|| ec2(around))
}

fn lambda(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    let name = around.variable("AWS_LAMBDA_FUNCTION_NAME")?;
    let mut found = Found::on("aws", "aws_lambda")
        .and("cloud.region", around.variable("AWS_REGION"))
        .and("faas.name", Some(name))
        .and("faas.version", around.variable("AWS_LAMBDA_FUNCTION_VERSION"))
        .and("faas.instance", around.variable("AWS_LAMBDA_LOG_STREAM_NAME"));
    let mebibytes = around.variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    let bytes = mebibytes.and_then(|text| text.parse::<i64>().ok()?.checked_mul(1 << 20));
    found.0.extend(bytes.map(|bytes| attribute("faas.max_memory", bytes)));
    Some(found.0)
}

fn ecs(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    let url = around.variable("ECS_CONTAINER_METADATA_URI_V4")?;
    let (address, path) = url.strip_prefix("http://")?.split_once('/')?;
    let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let get = |path: String| around.answer(&Question::get(&address, &path)).unwrap_or_default();
    let (container, task) = (get(format!("/{path}")), get(format!("/{path}/task")));
    let container_arn = field(&container, "ContainerARN");
    let task_arn = field(&task, "TaskARN");
    // arn:aws:ecs:<region>:<account>:task/<cluster>/<id>
    let parts: Vec<_> = task_arn.iter().flat_map(|arn| arn.splitn(6, ':')).collect();
    let part = |at: usize| parts.get(at).map(|part| (*part).to_owned());
    let id = task_arn.as_ref().and_then(|arn| arn.rsplit('/').next()).map(str::to_owned);
    let cluster = field(&task, "Cluster").map(|cluster| match (part(3), part(4)) {
        (Some(region), Some(account)) if !cluster.starts_with("arn:") => {
            format!("arn:aws:ecs:{region}:{account}:cluster/{cluster}")
        }
        _ => cluster,
    });
    let launch_type = field(&task, "LaunchType").map(|text| text.to_lowercase());
    let found = Found::on("aws", "aws_ecs")
        .and("cloud.region", part(3))
        .and("cloud.account.id", part(4))
        .and("cloud.availability_zone", field(&task, "AvailabilityZone"))
        .and("cloud.resource_id", container_arn.clone())
        .and("aws.ecs.container.arn", container_arn)
        .and("aws.ecs.cluster.arn", cluster)
        .and("aws.ecs.launchtype", launch_type)
        .and("aws.ecs.task.arn", task_arn)
        .and("aws.ecs.task.family", field(&task, "Family"))
        .and("aws.ecs.task.id", id)
        .and("aws.ecs.task.revision", field(&task, "Revision"));
    Some(found.0)
}

/// Recognizes a pod of EKS by its identity in AWS: by the service account, or by EKS Pod Identity. A pod without an
/// identity cannot be distinguished from a pod of another Kubernetes on EC2 without asking Kubernetes.
fn eks(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    around.variable(IN_A_POD)?;
    let is_in = |name: &str, text: &str| around.variable(name).is_some_and(|it| it.contains(text));
    let has_identity = is_in("AWS_WEB_IDENTITY_TOKEN_FILE", "/eks.amazonaws.com/")
        || is_in("AWS_CONTAINER_CREDENTIALS_FULL_URI", "://169.254.170.23/")
        || is_in("AWS_CONTAINER_CREDENTIALS_FULL_URI", "://[fd00:ec2::23]/");
    if !has_identity {
        return None;
    }
    let mut found =
        Found::on("aws", "aws_eks").and("cloud.region", around.variable("AWS_REGION")).0;
    // Pods may be denied access to the metadata service; the other attributes then stay unknown.
    let known: Vec<_> = found.iter().map(|(key, _)| key.clone()).collect();
    let instance = instance(around).unwrap_or_default();
    found.extend(instance.into_iter().filter(|(key, _)| !known.contains(key)));
    Some(found)
}

fn ec2(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    if !is(around, VENDOR_FILE, "Amazon EC2") {
        return None;
    }
    let found = Found::on("aws", "aws_ec2").0;
    Some(found.into_iter().chain(instance(around).unwrap_or_default()).collect())
}

/// Asks version 2 of the instance metadata service.
fn instance(around: &Surroundings<'_>) -> Option<Vec<Attribute>> {
    if around
        .variable("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|it| it.eq_ignore_ascii_case("true"))
    {
        return None;
    }
    let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = Question::get(INSTANCE, "/latest/api/token").put().with(lifetime);
    let token = around.answer(&token)?;
    let document = Question::get(INSTANCE, "/latest/dynamic/instance-identity/document");
    let document = around.answer(&document.with(("x-aws-ec2-metadata-token", token.trim())))?;
    let found = Found(Vec::new())
        .and("cloud.region", field(&document, "region"))
        .and("cloud.account.id", field(&document, "accountId"))
        .and("cloud.availability_zone", field(&document, "availabilityZone"))
        .and("host.id", field(&document, "instanceId"))
        .and("host.type", field(&document, "instanceType"))
        .and("host.image.id", field(&document, "imageId"));
    Some(found.0)
}
