use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(crate = "meterkit")]
    status: u16,
}

fn main() {}
