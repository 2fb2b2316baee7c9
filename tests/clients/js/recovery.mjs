// Somebody's account in this library, with nothing but their password and their recovery key.
import { decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/index.js";
import { Person } from "./person.mjs";
import { poll } from "./steps.mjs";

/** What the recovery key opened there. */
export async function laptopWith(baseUrl, userId, password, recoveryKey) {
    const key = decodeRecoveryKey(recoveryKey);
    const secrets = { getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], key] };
    const account = { user: userId, password };
    const laptop = await (await Person.signIn(baseUrl, "laptop", account, { crypto: true, secrets })).start();
    const crypto = laptop.client.getCrypto();
    await poll("the account's public keys", () => crypto.userHasCrossSigningKeys(userId, true));
    await crypto.bootstrapCrossSigning({});
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    const { imported, total } = await crypto.restoreKeyBackup();
    const status = await crypto.getDeviceVerificationStatus(userId, laptop.client.getDeviceId());
    laptop.stop();
    return { hasAll: imported > 0 && imported === total, isTrusted: status.crossSigningVerified };
}
