#pragma once

#include "http/http1.hpp"

namespace test {

/// A request as a whole, from the parts that the server uses one after the other.
class request_decoder final : public evercert::http1_decoder {
public:
    explicit request_decoder(evercert::http1_limits limits) : http1_decoder{limits} {}
    request_decoder(const request_decoder&) = delete;
    request_decoder& operator=(const request_decoder&) = delete;

    evercert::request& message() {
        if (!content_.empty()) {
            request_.message.body = evercert::request_body{request_.message.body.whole() + content_};
            content_.clear();
        }
        return request_.message;
    }
    const evercert::fields& trailers() const noexcept { return body_.trailers(); }
    bool expects_continue() const noexcept { return request_.expects_continue; }

private:
    std::optional<evercert::http1_failure> accept_head(std::string text) override {
        auto failed = evercert::read_request_head(std::move(text), limits_, request_);
        if (failed)
            return failed;
        keep_alive_ = request_.keep_alive;
        expect_body(request_.framing);
        return {};
    }

    evercert::http1_request request_;
};

}  // namespace test
