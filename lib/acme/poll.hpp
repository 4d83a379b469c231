#pragma once

#include <optional>

#include <evercert/clock.hpp>

namespace evercert::acme {

struct poll_bounds {
    duration first;
    duration most;
    duration retry_after_most;
};

/// How long to wait before poll number `poll`, counted from 0, which is at once. Then waits grow by half each from
/// `first` to `most`, unless the answer before had a `Retry-After` (RFC 8555, section 7.5.1).
duration poll_wait(int poll, std::optional<duration> retry_after, const poll_bounds&);

}  // namespace evercert::acme
