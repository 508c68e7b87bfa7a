//! The command as a shell runs it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

const OLD: &str = "# TYPE jobs_total counter\njobs_total 4\n";
const NEW: &str = "# TYPE app_jobs_total counter\napp_jobs_total 4\n";

#[track_caller]
fn meterkit(arguments: &[&str], input: &str, directory: &Path) -> (i32, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_meterkit"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut command = command.expect("the command");
    // A command that reads no input closes the pipe.
    let _ = command.stdin.take().expect("input").write_all(input.as_bytes());
    let Output { status, stdout, stderr } = command.wait_with_output().expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in [("old", OLD), ("new", NEW)] {
        fs::write(directory.path().join(name), text).expect("a file");
    }
    directory
}

/// Answers one request. The join handle returns the head of that request.
fn serving(answer: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/metrics?x=1", listener.local_addr().expect("an address"));
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).expect("the client reads the answer");
        String::from_utf8(head).expect("text")
    });
    (url, served)
}

#[test]
fn files_are_compared_and_the_exit_code_says_whether_they_differ() {
    let files = files();
    let (code, out, err) = meterkit(&["compare", "old", "old"], "", files.path());
    assert_eq!((code, &*out, &*err), (0, "Nothing differs: 1 metric in both.\n", ""));
    let (code, out, err) = meterkit(&["compare", "old", "new"], "", files.path());
    assert_eq!((code, &*err), (1, ""));
    assert!(out.starts_with("prefix-added (1 metric): NEW adds a prefix to the name.\n"), "{out}");
    let (code, out, _) = meterkit(&["compare", "-", "new"], NEW, files.path());
    assert_eq!((code, &*out), (0, "Nothing differs: 1 metric in both.\n"));
}

#[test]
fn json_has_what_the_text_has() {
    let files = files();
    let (code, out, _) = meterkit(&["compare", "old", "--json", "new"], "", files.path());
    assert_eq!(code, 1);
    let expected = "{
  \"equal\": false,
  \"same\": 0,
  \"groups\": [
    {
      \"cause\": \"prefix-added\",
      \"title\": \"NEW adds a prefix to the name\",
      \"remedy\": \"Create the metrics with `Meter::plain()` or `#[metrics(plain)]`, or set `METERKIT_NAMING=plain`.\",
      \"differences\": [
        {
          \"old\": \"jobs_total\",
          \"new\": \"app_jobs_total\",
          \"only_new\": [
            \"app_\"
          ]
        }
      ]
    }
  ]
}
";
    assert_eq!(out, expected);
    let (code, out, _) = meterkit(&["compare", "--json", "old", "old"], "", files.path());
    assert_eq!((code, &*out), (0, "{\n  \"equal\": true,\n  \"same\": 1,\n  \"groups\": []\n}\n"));
}

#[test]
fn an_endpoint_is_scraped() {
    let files = files();
    let length = NEW.len();
    let (url, served) =
        serving(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{NEW}"));
    let (code, out, err) = meterkit(&["compare", "new", &url], "", files.path());
    assert_eq!((code, &*out, &*err), (0, "Nothing differs: 1 metric in both.\n", ""));
    let head = served.join().expect("a request");
    assert!(head.starts_with("GET /metrics?x=1 HTTP/1.0\r\n"), "{head}");
    assert!(
        head.contains("\r\nAccept: application/openmetrics-text;version=1.0.0,text/plain;"),
        "{head}"
    );
}

#[test]
fn errors_of_an_endpoint_are_reported() {
    let files = files();
    for (answer, expected) in [
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", "the endpoint answered `401 Unauthorized`."),
        (
            "HTTP/1.1 301 Moved\r\nLocation: /m\r\n\r\n",
            "the endpoint answered `301 Moved` and points to /m.",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n", "the body ended after 4 of 9 bytes."),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\na 1\n",
            "the body has the encoding `gzip`, which was not requested.",
        ),
        ("SSH-2.0\r\n\r\n", "the response is not HTTP."),
        ("", "the response is not HTTP."),
    ] {
        let (url, served) = serving(answer.to_owned());
        let (code, out, err) = meterkit(&["compare", "old", &url], "", files.path());
        assert_eq!((code, &*out), (2, ""), "{answer}");
        assert_eq!(err, format!("meterkit: Cannot read {url}: {expected}\n"));
        served.join().expect("a request");
    }
}

#[test]
fn unreadable_inputs_are_named() {
    let files = files();
    fs::write(files.path().join("html"), "<html>\n").expect("a file");
    fs::write(files.path().join("gzip"), b"\x1f\x8b\x08").expect("a file");
    fs::write(files.path().join("catalog"), "{\"entries\": [{}]}").expect("a file");
    for (arguments, expected) in [
        (["missing", "new"], "Cannot read missing: "),
        (
            ["html", "new"],
            "html cannot be compared: line 1 is not valid in an exposition: `<html>`.",
        ),
        (["gzip", "new"], "gzip is not text in UTF-8: byte 1 is invalid. Is it compressed?"),
        (["catalog", "new"], "catalog cannot be compared: not a catalog of metrics as JSON: "),
        (["-", "new"], "standard input cannot be compared: the input contains no metrics."),
        (["old", "https://a/m"], "Try `curl -sS https://a/m | meterkit compare - ..`."),
        (["old", "http://a:b@c/m"], "credentials in URLs are not supported."),
        (["old", "http://127.0.0.1:1/m"], "127.0.0.1:1 does not accept connections: "),
        (["-", "-"], "Only one of OLD and NEW can be standard input."),
    ] {
        let (code, out, err) = meterkit(&["compare", arguments[0], arguments[1]], "", files.path());
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert!(err.starts_with("meterkit: ") && err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn wrong_arguments_show_what_is_right() {
    let files = files();
    for (arguments, expected) in [
        (&[][..], "A command is missing.\n\nUsage: meterkit COMMAND"),
        (&["contrast"], "Unknown command `contrast`.\n\nUsage: meterkit COMMAND"),
        (&["--json"], "invalid option '--json'.\n\nUsage: meterkit COMMAND"),
        (
            &["compare", "old"],
            "`meterkit compare` takes two arguments, OLD and NEW, but got 1.\n\nUsage: meterkit compare",
        ),
        (&["compare", "--yaml"], "invalid option '--yaml'.\n\nUsage: meterkit compare"),
    ] {
        let (code, out, err) = meterkit(arguments, "", files.path());
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert!(err.starts_with(&format!("meterkit: {expected}")), "{arguments:?}: {err}");
    }
    for (arguments, expected) in [
        (&["--help"][..], "Usage: meterkit COMMAND [ARGUMENTS]\n\nCommands:\n  compare "),
        (&["compare", "-h"], "Usage: meterkit compare [--json] OLD NEW\n"),
        (&["--version"], "meterkit 0."),
    ] {
        let (code, out, err) = meterkit(arguments, "", files.path());
        assert_eq!((code, &*err), (0, ""), "{arguments:?}");
        assert!(out.starts_with(expected), "{arguments:?}: {out}");
    }
}
