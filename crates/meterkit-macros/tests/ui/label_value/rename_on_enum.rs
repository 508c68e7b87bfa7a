use meterkit::LabelValue;

#[derive(LabelValue)]
#[label(rename = "done")]
enum Outcome {
    Done,
}

fn main() {}
