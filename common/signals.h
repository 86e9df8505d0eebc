// SIGTERM and SIGINT as values; SIGPIPE ignored.
//
// Thread rule: block_termination_signals before any thread is started, so that all inherit it.
// Owns: nothing.
#pragma once

namespace imgrec {

void block_termination_signals();  // SIGTERM, SIGINT; ignores SIGPIPE

// Waits for SIGTERM or SIGINT; returns its number.
int wait_for_termination();

}  // namespace imgrec
