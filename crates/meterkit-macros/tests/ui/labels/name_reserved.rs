use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(name = "__name__")]
    status: u16,
}

fn main() {}
