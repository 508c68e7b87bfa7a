use meterkit::Labels;

#[derive(Labels)]
struct Request {
    seconds: f64,
}

fn main() {}
