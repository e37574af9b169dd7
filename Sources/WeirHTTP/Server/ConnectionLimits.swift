// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Bounds what one connection may cost: a request must arrive within a time and a number of bytes,
/// else the connection closes; and it closes behind an answer that says so. Tells `OpenConnections`
/// which connections wait.
///
/// The limit on bytes is beyond the one that is answered with an error, so that a client which sends
/// a little too much learns why, and one which does not stop is cut off.
final class ConnectionLimits: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let requestTime: TimeAmount
  private let bodyByteCountMax: Int
  private let connections: OpenConnections
  private var bodyByteCount = 0
  private var deadline: Scheduled<Void>?
  private var closesBehindResponse = false

  init(requestTime: TimeAmount, bodyByteCountMax: Int, connections: OpenConnections) {
    self.requestTime = requestTime
    self.bodyByteCountMax = bodyByteCountMax
    self.connections = connections
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { connections.opened(context.channel) }
  }

  func channelActive(context: ChannelHandlerContext) {
    connections.opened(context.channel)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      bodyByteCount = 0
      let channel = context.channel
      deadline?.cancel()
      deadline = context.eventLoop.scheduleTask(in: requestTime) { channel.close(promise: nil) }
    case .body(let bytes):
      bodyByteCount += bytes.readableBytes
      if bodyByteCount > bodyByteCountMax {
        context.close(promise: nil)
        return
      }
    case .end:
      deadline?.cancel()
      deadline = nil
      connections.works(context.channel)
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(let head):
      closesBehindResponse = head.headerFields[.connection]?.lowercased() == "close"
      context.write(data, promise: promise)
    case .body:
      context.write(data, promise: promise)
    case .end:
      connections.waits(context.channel)
      if closesBehindResponse {
        context.writeAndFlush(data, promise: promise)
        context.close(promise: nil)
      } else {
        context.write(data, promise: promise)
      }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    deadline = nil
    connections.closed(context.channel)
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    deadline?.cancel()
    deadline = nil
    connections.closed(context.channel)
  }
}
