//! Clouds simulated by variables, files and answers.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use super::super::surroundings::ASKING;
use super::*;

type Pairs = &'static [(&'static str, &'static str)];

/// Returns the detected attributes, and the questions that were asked: the method, the address with the path, and the
/// headers.
fn detected(
    variables: Pairs,
    files: Pairs,
    answers: Pairs,
) -> (Vec<(String, String)>, Vec<String>) {
    let find = |pairs: Pairs, name: &str| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let variable = |name: &str| find(variables, name);
    let file = |path: &Path| find(files, path.to_str().expect("a path of letters"));
    let asked = RefCell::new(Vec::new());
    let answer = |question: &Question| {
        let Question { method, address, path, headers } = question;
        let headers: String =
            headers.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let text = format!("{method} {address}{path}{headers}");
        asked.borrow_mut().push(text.clone());
        find(answers, &text)
    };
    let found = detect(&Surroundings::new(&variable, &file, &answer));
    let found = found.into_iter().map(|(key, value)| (key, value.to_string())).collect();
    (found, asked.into_inner())
}

#[track_caller]
fn assert_detected(variables: Pairs, files: Pairs, answers: Pairs, expected: Pairs) {
    let (found, _) = detected(variables, files, answers);
    let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);
}

const ON_EC2: Pairs = &[(VENDOR_FILE, "Amazon EC2\n")];
const ON_GCE: Pairs = &[(PRODUCT_FILE, "Google Compute Engine\n")];

const INSTANCE: Pairs = &[
    ("PUT 169.254.169.254:80/latest/api/token x-aws-ec2-metadata-token-ttl-seconds=60", "t0ken"),
    (
        "GET 169.254.169.254:80/latest/dynamic/instance-identity/document x-aws-ec2-metadata-token=t0ken",
        r#"{ "accountId" : "123456789012", "availabilityZone" : "eu-west-1a", "imageId" : "ami-1",
             "instanceId" : "i-0a1b", "instanceType" : "m7g.large", "kernelId" : null, "region" : "eu-west-1" }"#,
    ),
];

#[test]
fn no_server_is_asked_outside_of_clouds() {
    for (variables, files) in [
        (&[][..], &[][..]),
        (&[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("AWS_REGION", "eu-west-1")], &[]),
        (&[("K_SERVICE", "of-knative"), ("GOOGLE_CLOUD_PROJECT", "p")], &[]),
        (&[], &[(VENDOR_FILE, "QEMU"), (PRODUCT_FILE, "Standard PC")]),
    ] {
        assert_eq!(detected(variables, files, INSTANCE), (vec![], vec![]));
    }
}

#[test]
fn a_function_of_lambda_is_known_by_its_variables() {
    let variables = &[
        ("AWS_LAMBDA_FUNCTION_NAME", "orders"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "7"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/30/[7]4f2d"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let expected = &[
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_lambda"),
        ("cloud.region", "eu-west-1"),
        ("faas.name", "orders"),
        ("faas.version", "7"),
        ("faas.instance", "2026/11/30/[7]4f2d"),
        ("faas.max_memory", "134217728"),
    ];
    assert_detected(variables, &[], &[], expected);
    assert_eq!(detected(variables, ON_EC2, INSTANCE).1, Vec::<String>::new());
}

#[test]
fn a_task_of_ecs_is_known_by_the_endpoint_that_its_variable_names() {
    let variables = &[("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/4f2d-1")];
    let answers = &[
        (
            "GET 169.254.170.2:80/v4/4f2d-1",
            r#"{"DockerId":"4f2d-1","Labels":{"com.amazonaws.ecs.task-definition-family":"shop"},
                "ContainerARN":"arn:aws:ecs:eu-west-1:123456789012:container/prod/4f2d/c1"}"#,
        ),
        (
            "GET 169.254.170.2:80/v4/4f2d-1/task",
            r#"{"Cluster":"prod","TaskARN":"arn:aws:ecs:eu-west-1:123456789012:task/prod/4f2d","Family":"shop",
                "Revision":"26","LaunchType":"FARGATE","AvailabilityZone":"eu-west-1b"}"#,
        ),
    ];
    let expected = &[
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_ecs"),
        ("cloud.region", "eu-west-1"),
        ("cloud.account.id", "123456789012"),
        ("cloud.availability_zone", "eu-west-1b"),
        ("cloud.resource_id", "arn:aws:ecs:eu-west-1:123456789012:container/prod/4f2d/c1"),
        ("aws.ecs.container.arn", "arn:aws:ecs:eu-west-1:123456789012:container/prod/4f2d/c1"),
        ("aws.ecs.cluster.arn", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod"),
        ("aws.ecs.launchtype", "fargate"),
        ("aws.ecs.task.arn", "arn:aws:ecs:eu-west-1:123456789012:task/prod/4f2d"),
        ("aws.ecs.task.family", "shop"),
        ("aws.ecs.task.id", "4f2d"),
        ("aws.ecs.task.revision", "26"),
    ];
    assert_detected(variables, &[], answers, expected);
    // The endpoint may be silent; the platform is known anyway.
    assert_detected(
        variables,
        &[],
        &[],
        &[("cloud.provider", "aws"), ("cloud.platform", "aws_ecs")],
    );
}

#[test]
fn a_pod_of_eks_is_known_by_its_identity_in_aws() {
    let variables = &[
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let alone =
        &[("cloud.provider", "aws"), ("cloud.platform", "aws_eks"), ("cloud.region", "eu-west-1")];
    assert_detected(variables, &[], &[], alone);
    let with_instance = &[
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_eks"),
        ("cloud.region", "eu-west-1"),
        ("cloud.account.id", "123456789012"),
        ("cloud.availability_zone", "eu-west-1a"),
        ("host.id", "i-0a1b"),
        ("host.type", "m7g.large"),
        ("host.image.id", "ami-1"),
    ];
    assert_detected(variables, &[], INSTANCE, with_instance);
}

#[test]
fn an_instance_of_ec2_is_known_by_its_firmware_and_asked_with_a_token() {
    let expected = &[
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_ec2"),
        ("cloud.region", "eu-west-1"),
        ("cloud.account.id", "123456789012"),
        ("cloud.availability_zone", "eu-west-1a"),
        ("host.id", "i-0a1b"),
        ("host.type", "m7g.large"),
        ("host.image.id", "ami-1"),
    ];
    assert_detected(&[], ON_EC2, INSTANCE, expected);
    let unasked = &[("cloud.provider", "aws"), ("cloud.platform", "aws_ec2")];
    assert_detected(&[], ON_EC2, &[], unasked);
    let (_, asked) = detected(&[("AWS_EC2_METADATA_DISABLED", "True")], ON_EC2, INSTANCE);
    assert_eq!(asked, Vec::<String>::new());
}

#[test]
fn services_and_jobs_of_cloud_run_are_known_by_their_variables() {
    let answers = &[
        (
            "GET 169.254.169.254:80/computeMetadata/v1/project/project-id Metadata-Flavor=Google",
            "shop",
        ),
        (
            "GET 169.254.169.254:80/computeMetadata/v1/instance/region Metadata-Flavor=Google",
            "projects/123/regions/europe-west1",
        ),
        ("GET 169.254.169.254:80/computeMetadata/v1/instance/id Metadata-Flavor=Google", "00bf4b"),
    ];
    let service = &[
        ("cloud.provider", "gcp"),
        ("cloud.platform", "gcp_cloud_run"),
        ("cloud.account.id", "shop"),
        ("cloud.region", "europe-west1"),
        ("faas.name", "orders"),
        ("faas.version", "orders-00007"),
        ("faas.instance", "00bf4b"),
    ];
    let variables = &[
        ("K_SERVICE", "orders"),
        ("K_REVISION", "orders-00007"),
        ("CLOUD_RUN_TIMEOUT_SECONDS", "300"),
    ];
    assert_detected(variables, &[], answers, service);
    let job = &[
        ("cloud.provider", "gcp"),
        ("cloud.platform", "gcp_cloud_run"),
        ("cloud.account.id", "shop"),
        ("cloud.region", "europe-west1"),
        ("faas.name", "import"),
        ("faas.instance", "00bf4b"),
        ("gcp.cloud_run.job.execution", "import-x1"),
        ("gcp.cloud_run.job.task_index", "3"),
    ];
    let variables = &[
        ("CLOUD_RUN_JOB", "import"),
        ("CLOUD_RUN_EXECUTION", "import-x1"),
        ("CLOUD_RUN_TASK_INDEX", "3"),
    ];
    assert_detected(variables, &[], answers, job);
}

const MACHINE: Pairs = &[
    ("GET md:1/computeMetadata/v1/project/project-id Metadata-Flavor=Google", "shop"),
    ("GET md:1/computeMetadata/v1/instance/id Metadata-Flavor=Google", "4711"),
    (
        "GET md:1/computeMetadata/v1/instance/zone Metadata-Flavor=Google",
        "projects/123/zones/europe-west1-b",
    ),
    (
        "GET md:1/computeMetadata/v1/instance/machine-type Metadata-Flavor=Google",
        "projects/123/machineTypes/e2-medium",
    ),
    ("GET md:1/computeMetadata/v1/instance/name Metadata-Flavor=Google", "vm-1"),
    ("GET md:1/computeMetadata/v1/instance/hostname Metadata-Flavor=Google", "vm-1.internal"),
    ("GET md:1/computeMetadata/v1/instance/attributes/cluster-name Metadata-Flavor=Google", "west"),
    (
        "GET md:1/computeMetadata/v1/instance/attributes/cluster-location Metadata-Flavor=Google",
        "europe-west1",
    ),
];

#[test]
fn a_machine_of_google_is_known_by_its_firmware_and_its_cluster_by_the_metadata() {
    let machine = &[
        ("cloud.provider", "gcp"),
        ("cloud.platform", "gcp_compute_engine"),
        ("cloud.account.id", "shop"),
        ("cloud.availability_zone", "europe-west1-b"),
        ("cloud.region", "europe-west1"),
        ("host.type", "e2-medium"),
        ("gcp.gce.instance.name", "vm-1"),
        ("gcp.gce.instance.hostname", "vm-1.internal"),
        ("host.id", "4711"),
    ];
    assert_detected(&[("GCE_METADATA_HOST", "md:1")], ON_GCE, MACHINE, machine);
    let cluster = &[
        ("cloud.provider", "gcp"),
        ("cloud.platform", "gcp_kubernetes_engine"),
        ("cloud.account.id", "shop"),
        ("k8s.cluster.name", "west"),
        ("cloud.region", "europe-west1"),
        ("host.id", "4711"),
    ];
    let in_a_pod = &[("GCE_METADATA_HOST", "md:1"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")];
    assert_detected(in_a_pod, ON_GCE, MACHINE, cluster);
}

#[test]
fn a_server_that_is_slow_is_not_asked_for_everything() {
    let asked = Cell::new(0);
    let answer = |_: &Question| {
        asked.set(asked.get() + 1);
        thread::sleep(ASKING);
        None
    };
    let file = |path: &Path| (path == Path::new(PRODUCT_FILE)).then(|| ON_GCE[0].1.to_owned());
    let found = detect(&Surroundings::new(&|_| None, &file, &answer));
    assert_eq!((found.len(), asked.get()), (2, 1), "{found:?}");
}

/// Answers one request with these bytes, keeps the connection open if `stays`, and returns the request.
fn server(answer: &'static [u8], stays: bool) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1024];
        let read = stream.read(&mut request).expect("a request");
        stream.write_all(answer).expect("it is read");
        if stays {
            // Ends when the client closes the connection.
            let _ = stream.read(&mut [0]);
        }
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (address, served)
}

#[test]
fn an_answer_is_read_to_its_end_whether_the_connection_ends_or_stays() {
    for (answer, stays, expected) in [
        (&b"HTTP/1.0 200 OK\r\n\r\nshop"[..], false, Some("shop")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nshop", true, Some("shop")),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", true, None),
        (b"nonsense", false, None),
    ] {
        let (address, served) = server(answer, stays);
        let question = Question::get(&address, "/computeMetadata/v1/project/project-id");
        let question = question.with(("Metadata-Flavor", "Google"));
        assert_eq!(ask(&question).as_deref(), expected);
        let request = served.join().expect("a request");
        let start = "GET /computeMetadata/v1/project/project-id HTTP/1.0\r\n";
        assert!(request.starts_with(start), "{request}");
        assert!(request.contains("\r\nMetadata-Flavor: Google\r\n\r\n"), "{request}");
    }
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let (address, served) = server(b"", true);
    assert_eq!(ask(&Question::get(&address, "/")), None);
    served.join().expect("a request");
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr();
    assert_eq!(ask(&Question::get(&nobody.expect("an address").to_string(), "/")), None);
}
