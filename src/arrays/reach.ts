/** Where may a job's inputs lie, beside the files of this machine? */
import { noS3, type S3Settings } from '../objects/s3-settings.ts';

export interface Reach {
  /** Hosts that may be private or plain http: `host` or `host:port`. */
  readonly allowHosts: readonly string[];
  /** Whether every host with a public address is read, over https, without being named. */
  readonly publicHosts: boolean;
  /** The storage behind `s3://`. The operator names it in the environment, so it may be private too. */
  readonly s3: S3Settings;
}

/** Public hosts over https alone, and no bucket: what holds where nobody says more. */
export const publicReach: Reach = Object.freeze({
  allowHosts: [],
  publicHosts: true,
  s3: noS3,
});
