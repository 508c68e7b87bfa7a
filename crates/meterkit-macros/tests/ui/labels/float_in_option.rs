use meterkit::Labels;

#[derive(Labels)]
struct Request {
    seconds: Option<f32>,
}

fn main() {}
