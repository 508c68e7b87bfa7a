use meterkit::LabelValue;

#[derive(LabelValue)]
enum Outcome {
    #[label(name("done"))]
    Done,
}

fn main() {}
