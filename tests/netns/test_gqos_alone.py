# SPDX-License-Identifier: MIT
"""QoS sockets where nothing is signalled: a daemon without RSVP, and the engine inside the program (spec/gqos.md §17)."""
import signal

import pytest

from conftest import B4, until

PORT = 5000
CONTROLLED_LOAD, GUARANTEED, EITHER = 2, 3, 5
VETH_KBPS = 10000000  # what the driver says
NO_TRAFFIC_CONTROL, TRAFFIC_CONTROL = 0, 1


def run(net, programs, service, socket_path, mode):
    """The program as an ordinary user (G-260); returns what it printed, and the mark of what it sent."""
    payload = net.payload()
    code, out, error = net.a.run([programs.path('gqos_alone'), B4, str(PORT), str(service), payload.decode()], 65534,
                                 env=programs.environment(socket_path, mode))
    assert code == 0, out + error
    return out, net.wire.with_payload(payload)[0].dscp


def said(traffic_control):
    return f'traffic control: {traffic_control}, link: {VETH_KBPS} kbit/s\n'


@pytest.mark.parametrize('service, dscp', [(CONTROLLED_LOAD, 0x18), (GUARANTEED, 0x28), (EITHER, 0x18)])
def test_daemon_without_rsvp(net, kernel, programs, service, dscp):
    """G-186, G-187, G-256, G-257: calls succeed, packets are marked, and there is nothing to be told"""
    assert run(net, programs, service, kernel.socket_path, 'daemon') == (said(TRAFFIC_CONTROL), dscp)
    until(lambda: kernel.flows() == [])


@pytest.mark.parametrize('service, dscp', [(CONTROLLED_LOAD, 0x18), (GUARANTEED, 0x28), (EITHER, 0x18)])
def test_embedded(net, programs, tmp, service, dscp):
    """G-187, G-256, G-257: likewise; nothing keeps datagrams to their rate here, and the program is told so"""
    assert run(net, programs, service, tmp / 'none', 'embedded') == (said(NO_TRAFFIC_CONTROL), dscp)


CONFIGURED = """
gqos {
    general-information = %s
    dscp { controlled-load = AF41  guaranteed = EF }
    max-unreserved-rate = 1Mbit
}
"""


def reload(daemon, config):
    count = daemon.log().count('reloaded')
    daemon.configure(config)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.log().count('reloaded') > count)


def test_settings(own_net, own_daemon, programs):
    """G-258, G-259: what the administrator has chosen, and chooses otherwise with SIGHUP"""
    def mark():
        return run(own_net, programs, EITHER, own_daemon.socket_path, 'daemon')[1]

    reload(own_daemon, CONFIGURED % 'guaranteed')
    assert mark() == 46
    reload(own_daemon, CONFIGURED % 3)
    assert mark() == 34
    reload(own_daemon, '')
    assert mark() == 0x18
