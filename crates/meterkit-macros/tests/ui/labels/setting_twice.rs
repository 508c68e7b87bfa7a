use meterkit::Labels;

#[derive(Labels)]
struct Request {
    #[label(max_values = 5)]
    #[label(max_values = 6)]
    status: u16,
}

fn main() {}
