#include "testing/nonces.hpp"

#include <stdexcept>

#include <openssl/rand.h>

#include "crypto/encoding.hpp"

namespace evercert::testing {

std::array<unsigned char, 16> random_bytes() {
    std::array<unsigned char, 16> random;
    if (RAND_bytes(random.data(), random.size()) != 1)
        throw std::runtime_error{"OpenSSL has no random numbers"};
    return random;
}

std::string random_token() { return base64url_encode(random_bytes()); }

std::string nonce_book::issue() {
    auto nonce = random_token();
    good_.insert(nonce);
    order_.push_back(nonce);
    if (order_.size() > outstanding_max) {
        good_.erase(order_.front());
        order_.pop_front();
    }
    return nonce;
}

bool nonce_book::use(const std::string& nonce) { return good_.erase(nonce) == 1; }

}  // namespace evercert::testing
