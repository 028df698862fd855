import { expect, test } from 'vitest';
import { isPublicAddress } from '../../src/arrays/public-address.ts';

test.each([
  '93.184.215.14',
  '8.8.8.8',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.0.1',
  '2606:2800:21f:cb07::1',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  ['this machine', '127.0.0.1'],
  ['this machine', '127.8.9.10'],
  ['this machine', '::1'],
  ['no address', '0.0.0.0'],
  ['no address', '::'],
  ['a private network', '10.1.2.3'],
  ['a private network', '172.16.0.1'],
  ['a private network', '172.31.255.255'],
  ['a private network', '192.168.1.1'],
  ['a private network', 'fd00::1'],
  ["a cloud's metadata service", '169.254.169.254'],
  ['link-local', 'fe80::1'],
  ['shared by carriers', '100.64.0.1'],
  ['multicast', '224.0.0.1'],
  ['multicast', 'ff02::1'],
  ['reserved', '255.255.255.255'],
  ['documentation', '2001:db8::1'],
  ['IPv4 inside IPv6', '::ffff:10.0.0.1'],
  ['IPv4 inside IPv6', '::ffff:8.8.8.8'],
  ['IPv4 inside IPv6', '64:ff9b::a00:1'],
  ['IPv4 inside IPv6', '2002:a00:1::1'],
  ['a name', 'example.org'],
])('%s is not public: %s', (_what, address) => {
  expect(isPublicAddress(address)).toBe(false);
});
