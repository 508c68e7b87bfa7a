use meterkit::LabelValue;

#[derive(LabelValue)]
union Outcome {
    done: bool,
}

fn main() {}
