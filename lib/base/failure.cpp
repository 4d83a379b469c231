#include "base/failure.hpp"

#include <asio/error.hpp>

#include <evercert/error.hpp>

namespace evercert {

bool failure::is_cancellation() const { return code == asio::error::operation_aborted; }

failure describe(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return {e.code(), e.what(), e.retry_after(), e.problem() != nullptr};
    } catch (const std::system_error& e) {
        return {e.code(), e.what(), {}, false};
    } catch (const std::exception& e) {
        return {{}, e.what(), {}, false};
    } catch (...) {
        return {{}, "an exception that is no std::exception", {}, false};
    }
}

}  // namespace evercert
