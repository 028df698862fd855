/**
 * What does a cluster get to see? The overlays of `deploy/kubernetes`, rendered by kubectl as an operator renders them.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** An object as it is sent to the API server. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  readonly spec?: Record<string, unknown>;
  readonly data?: Readonly<Record<string, string>>;
}
type Labels = Readonly<Record<string, string>>;

/** The folder of this repository's deployment files. */
export const deployFolder = fileURLToPath(new URL('../../deploy/', import.meta.url));

const overlaysFolder = `${deployFolder}kubernetes/overlays/`;

export const overlays: readonly string[] = readdirSync(overlaysFolder).sort();

/** Why overlays cannot be rendered here; null: they can. `labels` in a kustomization needs kubectl 1.27 or later. */
export function missingKubectl(): string | null {
  try {
    const text = execFileSync('kubectl', ['version', '--client', '--output=json'], { encoding: 'utf8' });
    const { major, minor } = (JSON.parse(text) as { clientVersion: { major: string; minor: string } })
      .clientVersion;
    if (Number(major) > 1 || Number.parseInt(minor, 10) >= 27) return null;
    return `kubectl ${major}.${minor} is too old for the overlays: install kubectl 1.27 or later`;
  } catch {
    return 'no kubectl: install kubectl 1.27 or later';
  }
}

const rendered = new Map<string, readonly Manifest[]>();

/** The objects of an overlay. */
export function render(overlay: string): readonly Manifest[] {
  const known = rendered.get(overlay);
  if (known !== undefined) return known;
  const text = execFileSync('kubectl', ['kustomize', `${overlaysFolder}${overlay}`], { encoding: 'utf8' });
  const objects = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  rendered.set(overlay, objects);
  return objects;
}

/** A pod as Deployments, StatefulSets and Jobs have it in their template. */
export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly resources?: { readonly limits?: Limits; readonly requests?: Limits };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
}

export interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: number | string };
  readonly tcpSocket?: unknown;
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
}
type Limits = Readonly<Record<string, number | string>>;

/** Every pod template of an overlay with its owner. */
export function podsOf(overlay: string): readonly { readonly owner: Manifest; readonly pod: PodSpec }[] {
  return render(overlay).flatMap((owner) => {
    const template = owner.spec?.['template'] as { readonly spec?: PodSpec } | undefined;
    return template?.spec === undefined ? [] : [{ owner, pod: template.spec }];
  });
}
