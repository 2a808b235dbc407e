//! Whole-pipeline tests over the built binary: a file a journey, in `journeys/`. `golden/` holds values that were worked out
//! independently. Build the binary first (`cargo build`), as `./scripts/test` does.
