use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    __,
}

fn main() {}
