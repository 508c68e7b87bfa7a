use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(max_values = 0)]
    status: u16,
}

fn main() {}
