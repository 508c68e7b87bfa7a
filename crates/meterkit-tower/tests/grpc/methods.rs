//! The methods that clients can send, and the methods that become labels.

use futures_util::TryStreamExt;
use meterkit::testing::TestKit;
use meterkit::tower::grpc::GrpcServerMetrics;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Request, Status};

use super::greeter::{Client, Greeter, Server, lines};

/// Creates a client whose calls are measured in another registry.
fn client(server: &Server) -> Client {
    Client::of(&server.endpoint(), &TestKit::new())
}

#[tokio::test]
async fn methods_and_services_that_clients_make_up_are_one_series() {
    let kit = TestKit::new();
    let (server, ..) = Server::greeter(&kit).await;
    for number in 0..10 {
        for path in [format!("/test.Greeter/Made{number}"), format!("/made.Up{number}/Hello")] {
            let error = client(&server).unary(&path, "Ada".to_owned()).await.unwrap_err();
            assert_eq!(error.code(), Code::Unimplemented);
        }
    }
    assert_eq!(
        lines(&kit),
        ["server.call.duration{error.type=UNIMPLEMENTED,_OTHER,UNIMPLEMENTED} count=20 sum=0"]
    );
}

#[tokio::test]
async fn a_call_that_an_interceptor_refuses_does_not_make_a_method() {
    let kit = TestKit::new();
    let metrics = GrpcServerMetrics::new_in(kit.registry()).unwrap();
    let guarded = |greeter| Routes::new(InterceptedService::new(greeter, only_with_token));
    let server = Server::start(metrics, guarded(Greeter::new(&kit))).await;
    for path in ["/test.Greeter/Made", "/test.Greeter/Up", "/test.Greeter/Hello"] {
        let error = client(&server).unary(path, "Ada".to_owned()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unauthenticated);
    }
    assert_eq!(lines(&kit), ["server.call.duration{_OTHER,UNAUTHENTICATED} count=3 sum=0"]);

    // Once the application has answered, the method is known.
    let mut request = Request::new("Ada".to_owned());
    request.metadata_mut().insert("token", "secret".parse().unwrap());
    client(&server).hello(request).await.unwrap();
    let _: Status = client(&server).hello("Ada".to_owned()).await.unwrap_err();
    assert_eq!(
        lines(&kit),
        [
            "server.call.duration{_OTHER,UNAUTHENTICATED} count=3 sum=0",
            "server.call.duration{Hello,OK} count=1 sum=0.25",
            "server.call.duration{Hello,UNAUTHENTICATED} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn with_a_list_its_methods_are_named_from_the_start_and_no_others() {
    let kit = TestKit::new();
    let metrics = GrpcServerMetrics::new_in(kit.registry()).unwrap();
    let metrics = metrics.methods(["test.Greeter/Hello", "/test.Greeter/Gone"]);
    let server = Server::start(metrics, Routes::new(Greeter::new(&kit))).await;
    client(&server).hello("Ada".to_owned()).await.unwrap();
    let gone = client(&server).unary("/test.Greeter/Gone", "Ada".to_owned()).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unimplemented);
    let greetings = client(&server).greet("torn").await.unwrap().try_collect::<Vec<_>>().await;
    assert_eq!(greetings.unwrap_err().code(), Code::DataLoss);
    assert_eq!(
        lines(&kit),
        [
            "server.call.duration{error.type=DATA_LOSS,_OTHER,DATA_LOSS} count=1 sum=1",
            "server.call.duration{error.type=UNIMPLEMENTED,Gone,UNIMPLEMENTED} count=1 sum=0",
            "server.call.duration{Hello,OK} count=1 sum=0.25",
        ]
    );
}

fn only_with_token(request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().get("token") {
        Some(_) => Ok(request),
        None => Err(Status::unauthenticated("no token")),
    }
}
