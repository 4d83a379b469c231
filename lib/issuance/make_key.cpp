#include "issuance/make_key.hpp"

namespace evercert {

asio::awaitable<private_key> make_key(std::shared_ptr<worker> blocking, key_type type) {
    const bool slow = type == key_type::rsa_2048 || type == key_type::rsa_3072 || type == key_type::rsa_4096;
    if (!slow)
        co_return private_key::generate(type);
    auto generate = [type] { return private_key::generate(type); };
    co_return co_await blocking->run(std::move(generate));
}

}  // namespace evercert
