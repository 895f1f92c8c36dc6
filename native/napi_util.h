// Argument checks, errno → Error{code, syscall}, RAII for descriptors, and the state of one
// JavaScript environment (a worker thread loads the addon again and has its own).
#pragma once

#include <napi.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

namespace stratalog {

// Largest integer a JavaScript number holds exactly; also far below what off_t holds.
constexpr double kMaxSafeInteger = 9007199254740991.0;

// Owns one file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Close();
    fd_ = other.Release();
    return *this;
  }
  ~Descriptor() { Close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int Release() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  int fd_ = -1;
};

// Name of an errno; libuv lacks two that a disk can give.
inline std::string ErrnoName(int error) {
  if (error == ESTALE) return "ESTALE";
  if (error == EDQUOT) return "EDQUOT";
  char name[40];
  return uv_err_name_r(-error, name, sizeof name);
}

// An Error as node:fs makes it: message "EIO: i/o error, fdatasync", code, errno, syscall. Plain
// Node-API, because the wrapper classes abort the process when JavaScript may no longer run, as in
// a worker thread that is being terminated. Returns null then.
inline napi_value CreateSystemError(napi_env env, int error, const char* syscall) {
  std::string name = ErrnoName(error);
  char text[128];
  uv_strerror_r(-error, text, sizeof text);
  std::string message = name + ": " + text + ", " + syscall;
  napi_value code, message_value, number, syscall_value, made;
  bool is_made =
      napi_create_string_utf8(env, name.data(), name.size(), &code) == napi_ok &&
      napi_create_string_utf8(env, message.data(), message.size(), &message_value) == napi_ok &&
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &syscall_value) == napi_ok &&
      napi_create_int32(env, -error, &number) == napi_ok &&
      napi_create_error(env, code, message_value, &made) == napi_ok &&
      napi_set_named_property(env, made, "errno", number) == napi_ok &&
      napi_set_named_property(env, made, "syscall", syscall_value) == napi_ok;
  return is_made ? made : nullptr;
}

inline void ThrowSystemError(Napi::Env env, int error, const char* syscall) {
  napi_value made = CreateSystemError(env, error, syscall);
  if (made != nullptr) napi_throw(env, made);
}

inline void ThrowUnlessZero(Napi::Env env, int error, const char* syscall) {
  if (error != 0) ThrowSystemError(env, error, syscall);
}

// Throws what a wrong argument deserves; quietly does nothing where JavaScript may no longer run.
inline void ThrowArgumentError(
    napi_env env, const char* code, const char* argument, const char* what,
    napi_status (*create)(napi_env, napi_value, napi_value, napi_value*)) {
  std::string message = std::string(argument) + what;
  napi_value code_value, message_value, made;
  if (napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value) == napi_ok &&
      napi_create_string_utf8(env, message.data(), message.size(), &message_value) == napi_ok &&
      create(env, code_value, message_value, &made) == napi_ok) {
    napi_throw(env, made);
  }
}

inline void ThrowRangeError(napi_env env, const char* argument) {
  ThrowArgumentError(env, "ERR_OUT_OF_RANGE", argument, " is out of range",
                     napi_create_range_error);
}

inline void ThrowTypeError(napi_env env, const char* argument) {
  ThrowArgumentError(env, "ERR_INVALID_ARG_TYPE", argument, " has the wrong type",
                     napi_create_type_error);
}

// Reads a safe integer in [least, most]. On failure throws into JavaScript and returns false.
inline bool ReadInteger(const Napi::Value& value, const char* argument, double least, double most,
                        int64_t* result) {
  if (!value.IsNumber()) {
    ThrowTypeError(value.Env(), argument);
    return false;
  }
  double number = value.As<Napi::Number>().DoubleValue();
  // Written so that NaN fails.
  if (!(number >= least && number <= most) || std::floor(number) != number) {
    ThrowRangeError(value.Env(), argument);
    return false;
  }
  *result = static_cast<int64_t>(number);
  return true;
}

inline bool ReadDescriptor(const Napi::Value& value, const char* argument, int* result) {
  int64_t number = 0;
  if (!ReadInteger(value, argument, 0, INT32_MAX, &number)) return false;
  *result = static_cast<int>(number);
  return true;
}

// Reads a byte count or position.
inline bool ReadBytes(const Napi::Value& value, const char* argument, int64_t least,
                      int64_t* result) {
  return ReadInteger(value, argument, static_cast<double>(least), kMaxSafeInteger, result);
}

// Reads `fd, position, length`, the first three arguments; the length is 1 or more.
inline bool ReadFileRange(const Napi::CallbackInfo& info, int* fd, int64_t* position,
                          int64_t* length) {
  return ReadDescriptor(info[0], "fd", fd) && ReadBytes(info[1], "position", 0, position) &&
         ReadBytes(info[2], "length", 1, length);
}

// Bytes of a Uint8Array; they stay where they are until the call into the addon returns.
struct ByteRange {
  const uint8_t* data;
  size_t size;
};

// Reads `bytes, start, end`, the first three arguments. On failure throws into JavaScript and returns
// false. Plain Node-API: the wrapper classes would double the cost of a short input.
inline bool ReadByteRange(napi_env env, const napi_value* arguments, size_t count,
                          ByteRange* result) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (count < 3 || napi_get_typedarray_info(env, arguments[0], &type, &length, &data, nullptr,
                                            nullptr) != napi_ok ||
      type != napi_uint8_array) {
    ThrowTypeError(env, "bytes");
    return false;
  }
  double start = 0;
  double end = 0;
  if (napi_get_value_double(env, arguments[1], &start) != napi_ok ||
      napi_get_value_double(env, arguments[2], &end) != napi_ok) {
    ThrowTypeError(env, "start or end");
    return false;
  }
  if (!(start >= 0 && start <= end && end <= static_cast<double>(length))) {
    ThrowRangeError(env, "start or end");
    return false;
  }
  size_t from = static_cast<size_t>(start);
  result->data = static_cast<const uint8_t*>(data) + from;
  result->size = static_cast<size_t>(end) - from;
  return true;
}

// Exports a function of plain Node-API.
inline void ExportFunction(Napi::Env env, Napi::Object exports, const char* name,
                           napi_callback function) {
  napi_value made;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &made);
  exports.Set(name, Napi::Value(env, made));
}

class RegionTable;    // mapped_region.cc
class SendScheduler;  // send_file.cc
class DurableWrites;  // durable_writes.cc

// What a device writes at once at least; what O_DIRECT wants of memory, place and size.
constexpr size_t kDirectUnit = 4096;

// 0 or an errno; may run on any thread.
int SyncData(int fd);  // sync.cc

// Of `count` bytes (1 or more), how many may be read without a wait for the disk, by all that is known: up
// to the last page that was found before one that is missing. About 1 us for half a megabyte.
int64_t CachedBytes(int file, int64_t position, int64_t count);  // page_cache.cc

// Begins to read them, all at once.
void ReadAhead(int file, int64_t position, int64_t count);  // page_cache.cc

// What one environment owns. Regions outlive it in their finalizers, hence shared.
struct Environment {
  std::shared_ptr<RegionTable> regions;
  SendScheduler* scheduler = nullptr;  // made by the first transfer, deleted by its cleanup hook
  napi_ref transfer_class = nullptr;
  DurableWrites* writes = nullptr;  // made by the first write, deleted by its cleanup hook
  bool has_no_writes = false;       // they could not be made, and are not tried again
};

void ExportCrc32c(Napi::Env env, Napi::Object exports);
void ExportRecordScan(Napi::Env env, Napi::Object exports);
void ExportMappedRegion(Napi::Env env, Napi::Object exports);
void ExportSendFile(Napi::Env env, Napi::Object exports);
void ExportFileOps(Napi::Env env, Napi::Object exports);
void ExportDurableWrites(Napi::Env env, Napi::Object exports);
void ExportSync(Napi::Env env, Napi::Object exports);
void ExportPageCache(Napi::Env env, Napi::Object exports);

}  // namespace stratalog
