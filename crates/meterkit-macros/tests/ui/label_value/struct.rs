use meterkit::LabelValue;

#[derive(LabelValue)]
struct Outcome {
    done: bool,
}

fn main() {}
