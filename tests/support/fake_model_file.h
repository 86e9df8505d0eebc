// A model for imgrec-fake-worker that is a file, so that it can be replaced under a running worker:
// lines of "key value", of which it may leave any out.
//
//   name NAME        the model's name
//   labels N         number of classes
//   prefix TEXT      of the labels: "TEXT 0", "TEXT 1", …
//   warm-up TEXT     it cannot be warmed up, and this is why
//   end              the last line; without it the file is half-written
//
// The digest follows from the bytes.
//
// Thread rule: a function over a file. Owns nothing.
#pragma once

#include <string>

#include "proto/status.h"
#include "tests/support/fake_engine.h"

namespace imgrec::test {

// `defaults`: what the file does not say.
Result<FakeEngineOptions> read_fake_model(const std::string& file, FakeEngineOptions defaults);

}  // namespace imgrec::test
