use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(rename = 5)]
    status: u16,
}

fn main() {}
