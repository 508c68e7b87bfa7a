use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(name)]
    status: u16,
}

fn main() {}
