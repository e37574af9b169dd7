// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// A server on 127.0.0.1 that does with each connection what the test says: to break, to lie, to wait.
final class RawServer: Sendable {
  /// Gets the connection and its number; the connection is closed behind it.
  typealias Behaviour = @Sendable (_ connection: Int32, _ number: Int) -> Void

  let port: Int
  private let listener: Int32
  private let accepted = Mutex(0)

  var connectionCount: Int { accepted.withLock { $0 } }
  var url: String { "http://127.0.0.1:\(port)" }

  init(_ behaviour: @escaping Behaviour) {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let file = listener
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        precondition(bind(file, address, length) == 0 && listen(file, 64) == 0)
        getsockname(file, address, &length)
      }
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    Self.thread { [self] in
      while true {
        let connection = accept(file, nil, nil)
        guard connection >= 0 else { return }
        let number = accepted.withLock { count in
          count += 1
          return count
        }
        Self.thread {
          behaviour(connection, number)
          close(connection)
        }
      }
    }
  }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  private static func thread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Body(body)).toOpaque())
    pthread_detach(thread)
  }

  /// One request's head, and its body if it tells a length; `nil` at the end of the connection.
  static func read(_ connection: Int32) -> (head: String, body: [UInt8])? {
    var bytes: [UInt8] = []
    var one = [UInt8](repeating: 0, count: 1)
    while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
      guard Glibc.read(connection, &one, 1) == 1 else { return nil }
      bytes.append(one[0])
    }
    let head = String(decoding: bytes, as: UTF8.self)
    var body: [UInt8] = []
    let length = head.split(separator: "\r\n").first {
      $0.lowercased().hasPrefix("content-length:")
    }
    if let length, let count = Int(length.split(separator: " ").last!) {
      while body.count < count {
        var some = [UInt8](repeating: 0, count: count - body.count)
        let got = Glibc.read(connection, &some, some.count)
        guard got > 0 else { return nil }
        body += some[..<got]
      }
    }
    return (head, body)
  }

  static func write(_ connection: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      let sent = bytes[start...].withUnsafeBytes {
        send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard sent > 0 else { return }
      start += sent
    }
  }

  /// Answers every request of a connection with its own body behind its method.
  static let echo: Behaviour = { connection, _ in
    while let (head, body) = read(connection) {
      let text = head.split(separator: " ")[0] + " " + String(decoding: body, as: UTF8.self)
      write(connection, "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }
  }
}
