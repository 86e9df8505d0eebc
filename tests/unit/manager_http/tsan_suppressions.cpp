// libpistache is not built with the thread sanitizer, which therefore does not see the library give
// up its share of a peer: the last one to do so looks like a race with the others.
#ifdef __SANITIZE_THREAD__
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:Pistache::Tcp::Listener\n"; }
#endif
