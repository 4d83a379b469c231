#pragma once

#include <memory>

#include <asio/awaitable.hpp>

#include <evercert/key.hpp>

#include "base/worker.hpp"

namespace evercert {

/// A new key: an RSA key, which takes up to 2 s, on the worker; the others (50 µs) here.
asio::awaitable<private_key> make_key(std::shared_ptr<worker>, key_type);

}  // namespace evercert
