#pragma once

#include <evercert/http.hpp>

namespace evercert {

/// What port 80 answers: the same URL over HTTPS, without a port, by 302 for safe methods and 308 for those that
/// must be repeated as they are. 400 without a host, or one that no certificate can be for: a redirect goes
/// nowhere else than the client asked for, and nothing of the request is copied into it unread.
response redirect_to_https(const request&);

}  // namespace evercert
