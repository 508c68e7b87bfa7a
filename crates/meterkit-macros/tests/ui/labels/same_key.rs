use meterkit::Labels;

#[derive(Labels)]
struct Request {
    status: u16,
    #[label(name = "status")]
    code: u16,
}

fn main() {}
