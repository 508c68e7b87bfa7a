use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label()]
    status: u16,
}

fn main() {}
