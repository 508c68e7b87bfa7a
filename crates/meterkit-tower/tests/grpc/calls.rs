//! Calls between a measured client and a measured server.

use std::time::Duration;

use futures_util::TryStreamExt;
use meterkit::testing::{TestKit, assert_metric};
use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use super::greeter::{Client, Server, lines, until};

#[tokio::test]
async fn a_call_has_the_labels_of_the_conventions() {
    let kit = TestKit::new();
    let (server, _, client) = Server::greeter(&kit).await;
    assert_eq!(client.hello("Ada".to_owned()).await.unwrap(), "Hello Ada");

    until(&kit, "server.call.duration{Hello,OK} count=1 sum=0.25").await;
    let port = server.endpoint().uri().port_u16().unwrap();
    assert_metric!(
        kit,
        "rpc.server.call.duration" {
            rpc.system.name = "grpc",
            rpc.method = "test.Greeter/Hello",
            rpc.status_code = "OK",
        } count == 1
    );
    assert_metric!(
        kit,
        "rpc.client.call.duration" {
            rpc.system.name = "grpc",
            rpc.method = "test.Greeter/Hello",
            rpc.status_code = "OK",
            server.address = "127.0.0.1",
            server.port = port,
        } count == 1
    );
    let seen = kit.collect();
    for name in ["rpc.server.call.duration", "rpc.client.call.duration"] {
        assert_eq!(seen.series(name)[0].descriptor().unit, "s", "{name}");
    }
}

#[tokio::test]
async fn each_side_has_errors_of_its_own() {
    let kit = TestKit::new();
    let (_server, _, client) = Server::greeter(&kit).await;
    for (name, code) in
        [("nobody", Code::NotFound), ("broken", Code::Internal), ("later", Code::Unimplemented)]
    {
        assert_eq!(client.clone().hello(name.to_owned()).await.unwrap_err().code(), code);
    }
    assert_eq!(
        lines(&kit),
        [
            "client.call.duration{error.type=INTERNAL,Hello,INTERNAL} count=1 sum=0",
            "client.call.duration{error.type=NOT_FOUND,Hello,NOT_FOUND} count=1 sum=0",
            "client.call.duration{error.type=UNIMPLEMENTED,Hello,UNIMPLEMENTED} count=1 sum=0",
            "server.call.duration{error.type=INTERNAL,Hello,INTERNAL} count=1 sum=0",
            "server.call.duration{error.type=UNIMPLEMENTED,Hello,UNIMPLEMENTED} count=1 sum=0",
            "server.call.duration{Hello,NOT_FOUND} count=1 sum=0",
        ]
    );
}

#[tokio::test]
async fn a_stream_takes_as_long_as_its_messages() {
    let kit = TestKit::new();
    let (_server, _, client) = Server::greeter(&kit).await;
    let greetings: Vec<_> = client.clone().greet("Ada").await.unwrap().try_collect().await.unwrap();
    assert_eq!(greetings.len(), 3);
    until(&kit, "server.call.duration{Greet,OK} count=1 sum=3").await;
    until(&kit, "client.call.duration{Greet,OK} count=1 sum=3").await;

    let greetings: Vec<_> =
        client.meet(&["Ada", "Bea"]).await.unwrap().try_collect().await.unwrap();
    assert_eq!(greetings, ["Hello Ada", "Hello Bea"]);
    until(&kit, "server.call.duration{Meet,OK} count=1 sum=2").await;
    until(&kit, "client.call.duration{Meet,OK} count=1 sum=2").await;
}

#[tokio::test]
async fn a_status_after_messages_counts() {
    let kit = TestKit::new();
    let (_server, _, client) = Server::greeter(&kit).await;
    let greetings = client.greet("torn").await.unwrap().try_collect::<Vec<_>>().await;
    assert_eq!(greetings.unwrap_err().code(), Code::DataLoss);
    until(&kit, "server.call.duration{error.type=DATA_LOSS,Greet,DATA_LOSS} count=1 sum=1").await;
    until(&kit, "client.call.duration{error.type=DATA_LOSS,Greet,DATA_LOSS} count=1 sum=1").await;
}

#[tokio::test]
async fn a_call_that_the_client_drops_is_cancelled_on_both_sides() {
    let kit = TestKit::new();
    let (_server, greeter, client) = Server::greeter(&kit).await;
    let call = tokio::spawn(client.clone().hello("stuck".to_owned()));
    greeter.stuck.notified().await;
    call.abort();
    until(&kit, "server.call.duration{Hello,CANCELLED} count=1 sum=1").await;
    until(&kit, "client.call.duration{error.type=CANCELLED,Hello,CANCELLED} count=1 sum=1").await;
}

#[tokio::test]
async fn a_stream_that_the_client_drops_is_cancelled_on_both_sides() {
    let kit = TestKit::new();
    let (_server, _, client) = Server::greeter(&kit).await;
    let mut greetings = client.greet("endless").await.unwrap();
    assert!(greetings.message().await.unwrap().is_some());
    drop(greetings);
    // The duration depends on how long the server could send, so do not check it.
    let cancelled = |line: &String| line.contains("CANCELLED} count=1");
    while lines(&kit).iter().filter(|line| cancelled(line)).count() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let lines = lines(&kit);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("client.call.duration{error.type=CANCELLED,Greet,CANCELLED}"));
    assert!(lines[1].starts_with("server.call.duration{Greet,CANCELLED}"));
}

#[tokio::test]
async fn a_call_that_is_dropped_after_its_time_has_exceeded_its_deadline() {
    let kit = TestKit::new();
    let (_server, greeter, client) = Server::greeter(&kit).await;
    let mut request = Request::new("slow".to_owned());
    request.set_timeout(Duration::from_secs(60 * 60));
    let call = tokio::spawn(client.hello(request));
    // Let two hours pass on the clock of the metrics.
    greeter.stuck.notified().await;
    call.abort();
    let late = "error.type=DEADLINE_EXCEEDED,Hello,DEADLINE_EXCEEDED} count=1 sum=7200";
    until(&kit, &format!("server.call.duration{{{late}")).await;
    until(&kit, &format!("client.call.duration{{{late}")).await;
}

#[tokio::test]
async fn a_panic_is_an_error_without_a_status() {
    let kit = TestKit::new();
    let (_server, _, client) = Server::greeter(&kit).await;
    let _: Status = client.hello("panic".to_owned()).await.unwrap_err();
    until(&kit, "server.call.duration{error.type=panic,Hello} count=1 sum=0").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transport_error() {
    let kit = TestKit::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let error = Client::of(&endpoint, &kit).hello("Ada".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert_metric!(
        kit,
        "rpc.client.call.duration" {
            rpc.system.name = "grpc",
            rpc.method = "test.Greeter/Hello",
            error.type = "transport_error",
            server.address = "127.0.0.1",
            server.port = address.port(),
        } count == 1
    );
}
