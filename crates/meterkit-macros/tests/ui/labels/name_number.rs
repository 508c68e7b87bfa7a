use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(name = 5)]
    status: u16,
}

fn main() {}
