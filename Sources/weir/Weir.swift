// SPDX-License-Identifier: Apache-2.0

@main
struct Weir {
  static func main() {}
}
