use meterkit::Labels;

#[derive(Labels)]
union Request {
    status: u16,
}

fn main() {}
