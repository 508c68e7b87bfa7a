#![doc = include_str!("../operating/failures.md")]
