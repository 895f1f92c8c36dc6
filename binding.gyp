{
  "targets": [
    {
      "target_name": "stratalog",
      "conditions": [
        ["OS=='win'", { "type": "none" }, {
          "sources": [
            "native/addon.cc",
            "native/crc32c.cc",
            "native/mapped_region.cc",
            "native/page_cache.cc",
            "native/record_scan.cc",
            "native/send_file.cc",
            "native/send_scheduler.cc",
            "native/file_ops.cc",
            "native/durable_writes.cc",
            "native/sync.cc"
          ],
          "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": [
            "NAPI_VERSION=8",
            "NAPI_DISABLE_CPP_EXCEPTIONS",
            "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
          ],
          "cflags_cc": ["-std=c++17", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_OPTIMIZATION_LEVEL": "3",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0"
          }
        }]
      ]
    }
  ]
}
