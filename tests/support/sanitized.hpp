#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EVERCERT_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EVERCERT_TEST_SANITIZED
#endif
#endif

namespace test {

/// Whether this is built with AddressSanitizer or ThreadSanitizer, under which everything takes some eight times as long.
#ifdef EVERCERT_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace test
