use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(name = "done")]
enum Outcome {
    Done,
}

fn main() {}
