use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(rename = "__name__")]
    status: u16,
}

fn main() {}
